"""What a program's own ``__del__`` does with a store while the interpreter ends: it works, and nothing is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

PROGRAM = """
from checkpoint_store import CheckpointStore, ProcessingState, StateManager
class Processor:
    def __init__(self):
        self.store = CheckpointStore("talks.db")
        self.job = self.store.open_job("talk.srt", chunks=list("abcdefgh"))
        self.manager = StateManager("other.json")
        self.manager.save(ProcessingState(job_id="x", file_name="f", total_chunks=2))
    def __del__(self):
        {in_finalizer}
        self.store.close()
        self.manager.close()
processor = Processor()
{before}
processor.itself = processor  # a cycle: it lives until the modules are taken apart
"""
BEFORE = {
    "completed": "processor.job.complete(0, 'x' * 300_000); processor.job.complete(1, 'y' * 300_000)",
    "in hand": "processor.chunk = next(processor.job.pending())",
    "in flight": "processor.items = processor.job.map(str.upper, workers=2); next(processor.items)",
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("before", BEFORE)
def test_closing_a_store_in_a_finalizer_says_nothing(before: str, children: Children, tmp_path: Path) -> None:
    """Whatever was under way: no traceback of a half-dismantled library, and the state file is exact."""
    process = children.start(PROGRAM.format(in_finalizer="pass", before=BEFORE[before]))
    assert (process.communicate(timeout=120), process.returncode) == (("", ""), 0)
    shown = ProcessingState.from_json((tmp_path / "talks.json").read_bytes())
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        job = store.jobs()[0]
        assert (job.state(), job.is_active) == (shown, False)


@pytest.mark.slow
def test_a_finalizer_may_still_record(children: Children, tmp_path: Path) -> None:
    """A result, a pause and a status that come at the last moment are in the store."""
    last = "self.job.complete(3, 'last'); self.job.pause(); self.manager.set_status('paused')"
    process = children.start(PROGRAM.format(in_finalizer=last, before="processor.job.complete(0, 'x')"))
    assert (process.communicate(timeout=120), process.returncode) == (("", ""), 0)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        (job,) = store.jobs()
        assert (dict(job.items()), job.status) == ({0: "x", 3: "last"}, "paused")
