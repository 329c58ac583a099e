"""What follows a completion (claims, state file, backup, the WAL's copying) never makes an error of it."""

from __future__ import annotations

import errno
import json
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StoreRecovered
from checkpoint_store.execution.claims import claims as claims_module
from checkpoint_store.state_file import writer
from checkpoint_store.storage.connection import checkpoint
from checkpoint_store.storage.files.siblings import Siblings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, ManagerOpener, Opener

FEW_DESCRIPTORS = program(__file__, "complete_with_few_descriptors")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_few_descriptors_never_make_an_error_of_what_is_recorded(children: Children, tmp_path: Path) -> None:
    """With 0 to 11 descriptors left, each of 40 completions succeeds, and the state file is exact at the end."""
    failed, recorded = json.loads(children.run(FEW_DESCRIPTORS))
    assert failed == []
    assert recorded == list(range(41))
    assert json.loads((tmp_path / "talks.json").read_text("utf-8"))["completed_chunks"] == recorded


RUN_OUT = [
    OSError(errno.EMFILE, "Too many open files"),
    MemoryError(),
    StoreRecovered("a warning that is an error here"),
]


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", RUN_OUT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("owner", "name"),
    [(writer, "sweep"), (Siblings, "remove_unfinished"), (claims_module.Claims, "completed"), (checkpoint, "take")],
    ids=["state file", "backup", "claims", "WAL"],
)
def test_whatever_follows_a_completion_is_no_error_of_it(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Exception
) -> None:
    """No step after the commit raises into `complete`; the chunk is recorded, and the next chunk is recorded, too."""

    def run_out(*_: object, **__: object) -> NoReturn:
        raise error

    store = open_store()
    job = store.open_job("talk.srt", total_chunks=4)
    chunks = job.pending()
    next(chunks).complete("zero")
    context = store._context
    assert context is not None
    assert context.state_file is not None
    rolling = context.storage.backups
    context.storage.database.writer.checkpoint.wal_bytes = checkpoint.CHECKPOINT_BYTES
    rolling.due_at, rolling._made_at, rolling._credit = 0.0, -1e9, 1.0
    monkeypatch.setattr(context.state_file._pace, "is_due", lambda *_: True)
    with monkeypatch.context() as broken:
        broken.setattr(owner, name, run_out)
        next(chunks).complete("one")
        job.complete(2, "two")
    assert [job.is_completed(index) for index in range(3)] == [True] * 3
    job.complete(3, "three")
    assert list(job.results()) == ["zero", "one", "two", "three"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", RUN_OUT, ids=lambda error: type(error).__name__)
def test_a_managers_completion_is_no_error_where_the_state_file_cannot_be_written(
    make_manager: ManagerOpener, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """`update_chunk_complete` records, and the state file follows later."""

    def run_out(*_: object, **__: object) -> NoReturn:
        raise error

    manager: StateManager = make_manager()
    manager.save(ProcessingState(job_id="a", file_name="talk.srt", total_chunks=2))
    with monkeypatch.context() as broken:
        broken.setattr(writer, "sweep", run_out)
        manager.update_chunk_complete(0, {"text": "zero"})
    manager.update_chunk_complete(1, {"text": "one"})
    with CheckpointStore(str(manager.state_path).replace(".json", ".db"), read_only=True) as store:
        assert list(store.job("a").results()) == [{"text": "zero"}, {"text": "one"}]
