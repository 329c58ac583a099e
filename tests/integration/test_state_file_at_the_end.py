"""The state file at the end of a job, and the calls whose change is recorded while the state file cannot be written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    CheckpointStore,
    InvalidArgumentError,
    JobStatus,
    ProcessingState,
    SecretInConfig,
    StateManager,
    StoreBusy,
)
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.file_lock import file_lock

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


def shown(path: Path) -> ProcessingState:
    return ProcessingState.from_json(path.read_bytes())


def write_nothing_while_at_work(store: CheckpointStore) -> None:
    """Let the pace put off each writing of the state file."""
    store._context.state_file._pace._credit = -1e9  # type: ignore[union-attr]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state file of ``talks.db`` is."""
    return tmp_path / "talks.json"


@pytest.mark.parametrize(
    "complete_last",
    [
        lambda job: job.complete(2, "last"),
        lambda job: job.complete_many([(1, "second"), (2, "last")]),
        lambda job: [chunk.complete("last") for chunk in job.pending()],
        lambda job: list(job.map(lambda _: "last", workers=2)),
        lambda job: (job.complete(2, "earlier"), job.redo([2]), job.complete(2, "last")),
    ],
    ids=["complete", "complete_many", "pending", "map", "redo"],
)
def test_the_file_is_exact_after_the_last_chunk(store: CheckpointStore, path: Path, complete_last: Any) -> None:
    """Whoever looks at the state file of a finished job sees it completed, also if its program was killed then."""
    write_nothing_while_at_work(store)
    job = store.open_job("f", chunks=["a", "b", "c"])
    job.complete_many([(1, "second"), (0, "first")])
    assert shown(path).completed_chunks == []
    complete_last(job)
    assert (shown(path), shown(path).status) == (job.state(), JobStatus.COMPLETED)


def test_the_file_is_exact_once_many_threads_have_completed_a_job(store: CheckpointStore, path: Path) -> None:
    """Threads that share a commit do not leave the file to each other."""
    write_nothing_while_at_work(store)
    for number in range(5):
        job = store.open_job(f"talk {number}", total_chunks=8)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda index, job=job: job.complete(index, {"index": index}), range(8)))
        assert (shown(path), shown(path).status) == (job.state(), JobStatus.COMPLETED)


def test_a_lock_that_another_program_holds_keeps_the_last_chunk_from_nothing(
    open_store: Opener, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunk is recorded; the log says that the state file is behind, and the close writes it."""
    store = open_store(path.with_suffix(".db"), lock_timeout_seconds=0.01)
    write_nothing_while_at_work(store)
    job = store.open_job("f", total_chunks=1)
    with file_lock(StoreFiles(store.path).lock, 1.0):
        job.complete(0, "paid for")
    assert (job.status, shown(path).status) == (JobStatus.COMPLETED, JobStatus.RUNNING)
    assert "is written later" in caplog.text
    store.close()
    assert shown(path).status is JobStatus.COMPLETED


CHANGES = {
    "pause": (lambda store: store.latest_job().pause(), "paused"),
    "resume": (lambda store: store.latest_job().resume(), "running"),
    "fail": (lambda store: store.latest_job().fail("boom"), "failed"),
    "set_status": (lambda store: store.latest_job().set_status(JobStatus.PAUSED, "why"), "paused"),
    "set_metadata": (lambda store: store.latest_job().set_metadata({"owner": "me"}), "running"),
    "redo": (lambda store: store.latest_job().redo([0]), "running"),
    "open_job": (lambda store: store.open_job("g", total_chunks=2), "running"),
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_recorded_is_no_error_while_another_program_holds_the_lock(
    open_store: Opener, path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call does what it says, and returns; the log says that the state file is behind, and the close writes it."""
    change, status = CHANGES[name]
    store = open_store(path.with_suffix(".db"), lock_timeout_seconds=0.01)
    store.open_job("f", total_chunks=2).complete(0, "paid for")
    with file_lock(StoreFiles(store.path).lock, 1.0):
        change(store)
    state = store.latest_job().state()  # type: ignore[union-attr]
    assert state.status == status
    assert "is written later" in caplog.text
    assert shown(path) != state
    store.close()
    assert shown(path) == state


def test_a_save_that_is_recorded_says_so_while_another_program_holds_the_lock(tmp_path: Path) -> None:
    """The error says that only the state file is behind, and calling again makes the file exact."""
    with StateManager(tmp_path / "state.json", lock_timeout_seconds=0.01) as manager:
        manager.save(ProcessingState(file_name="a", total_chunks=2))
        state = ProcessingState(file_name="b", total_chunks=2, completed_chunks=[0], processed_results=["paid for"])
        recorded = "Only .*state.json is behind, and what was recorded is in the store; call again"
        with file_lock(tmp_path / "state.lock", 1.0), pytest.raises(StoreBusy, match=recorded):
            manager.save(state)
        assert manager.load().file_name == "b"  # type: ignore[union-attr]
        assert shown(tmp_path / "state.json").file_name == "a"
        manager.save(manager.load())  # type: ignore[arg-type]
        assert shown(tmp_path / "state.json") == manager.load()


def test_set_status_records_the_status_while_another_program_holds_the_lock(tmp_path: Path) -> None:
    """A processor that notes its failure learns of no other one."""
    with StateManager(tmp_path / "state.json", lock_timeout_seconds=0.01) as manager:
        manager.save(ProcessingState(file_name="a", total_chunks=2))
        with file_lock(tmp_path / "state.lock", 1.0):
            manager.set_status("failed", "boom")
        assert manager.load().error_message == "boom"  # type: ignore[union-attr]
    assert shown(tmp_path / "state.json").status is JobStatus.FAILED


def test_a_refused_first_save_creates_nothing(tmp_path: Path) -> None:
    """A secret in the config, or in the metadata, is refused before there is a store."""
    for secret in ({"config": {"api_key": "sk-abcdefghijklmnop1234"}}, {"metadata": {"token": "ghp_" + "a1B2" * 9}}):
        with StateManager(tmp_path / "new" / "state.json") as manager, pytest.raises(SecretInConfig):
            manager.save(ProcessingState(**secret))  # type: ignore[arg-type]
    with StateManager(tmp_path / "new" / "state.json") as manager, pytest.raises(InvalidArgumentError):
        manager.save({"file_name": "a"})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_clear_deletes_nothing_while_another_program_holds_the_lock(tmp_path: Path) -> None:
    """The error says that nothing was written, and so it is; called again, it clears."""
    with StateManager(tmp_path / "state.json", lock_timeout_seconds=0.01) as manager:
        manager.save(ProcessingState(file_name="a", total_chunks=2))
        with file_lock(tmp_path / "state.lock", 1.0), pytest.raises(StoreBusy, match="Nothing was written; call again"):
            manager.clear()
        assert manager.load().file_name == "a"  # type: ignore[union-attr]
        manager.clear()
        assert manager.load() is None
