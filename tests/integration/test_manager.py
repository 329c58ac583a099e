"""StateManager: the face of one current job, over the same store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET, files_with
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ChunkOutOfRange,
    InvalidArgumentError,
    InvalidResultError,
    JobNotFound,
    JobStatus,
    ProcessingState,
    SecretInConfig,
    StateFormatError,
    StateManager,
    StoreTargetError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ManagerOpener
from .manager_tools import MOMENT, a_state, old_state


def as_of(loaded: ProcessingState | None, saved: ProcessingState) -> ProcessingState:
    """A state that came back, but for the moment of its saving."""
    assert loaded is not None
    assert loaded.updated_at >= saved.updated_at
    return loaded.replace(updated_at=saved.updated_at)


# -- before there is a job


def test_nothing_is_created_before_the_first_save(manager: StateManager, tmp_path: Path) -> None:
    """Asking whether there is a job leaves no file behind, and clearing nothing neither."""
    assert manager.load() is None
    assert manager.has_incomplete_job() is False
    manager.clear()
    manager.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_job_there_is_nothing_to_record(manager: StateManager, tmp_path: Path) -> None:
    """A chunk or a status without a job is an error, and creates nothing."""
    for call in (lambda: manager.update_chunk_complete(0, 1), lambda: manager.set_status("paused")):
        with pytest.raises(JobNotFound):
            call()
    assert list(tmp_path.iterdir()) == []


@each_case("name", ["", "state.db", "state.lock", "state.bak", "file/state.json", "."])
def test_a_bad_state_path_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the manager is made, and nothing is created."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises((StoreTargetError, InvalidArgumentError)):
        StateManager(name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_by_default_the_files_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is ``.processing_state.json`` in the working folder, and its neighbours."""
    monkeypatch.chdir(tmp_path)
    with StateManager() as manager:
        manager.save(a_state())
        manager.save(a_state(completed_chunks=[0]))
    names = {path.name.split(".backup-")[0] for path in tmp_path.iterdir()}
    assert names == {f".processing_state.{suffix}" for suffix in ("json", "db", "lock", "open", "bak")}


def test_a_manager_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that changes its folder goes on in the same files."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with StateManager("s.json") as manager:
        monkeypatch.chdir(tmp_path / "other")
        manager.save(a_state())
        manager.update_chunk_complete(0, 1)
    assert list((tmp_path / "other").iterdir()) == []


# -- load and save


def test_what_was_saved_is_loaded(manager: StateManager, make_manager: ManagerOpener) -> None:
    """A saved state is loaded by this manager and by the next one, equal in all but ``updated_at``."""
    state = a_state(
        status=JobStatus.PAUSED,
        video_title="Größe 😀",
        model="m",
        provider="p",
        completed_chunks=[0, 2],
        processed_results=[{"text": "a"}, None],
        error_message="it broke",
        started_at=MOMENT,
        updated_at=MOMENT,
    )
    manager.save(state)
    assert as_of(manager.load(), state) == state
    manager.close()
    assert as_of(make_manager().load(), state) == state


def test_the_state_file_holds_the_state_and_bak_the_one_before(manager: StateManager) -> None:
    """When ``save`` returns, the file holds the state and ``.bak`` the one before."""
    first, second = a_state(), a_state(completed_chunks=[0], processed_results=["x"])
    manager.save(first)
    before = manager.state_path.read_bytes()
    assert ProcessingState.from_json(before) == manager.load()
    assert as_of(manager.load(), first) == first
    manager.save(second)
    assert ProcessingState.from_json(manager.state_path.read_bytes()) == manager.load()
    assert as_of(manager.load(), second) == second
    assert manager.state_path.with_suffix(".bak").read_bytes() == before


def test_load_needs_no_state_file(manager: StateManager, make_manager: ManagerOpener) -> None:
    """The store file is the truth, whatever became of the other."""
    state = a_state(completed_chunks=[1], processed_results=["b"])
    manager.save(state)
    manager.close()
    manager.state_path.unlink()
    manager.state_path.with_suffix(".bak").unlink(missing_ok=True)
    assert as_of(make_manager().load(), state) == state


def test_a_state_without_results_is_legal(manager: StateManager) -> None:
    """Completed chunks without results stay so, and are not done again."""
    state = a_state(completed_chunks=[0, 2])
    manager.save(state)
    assert as_of(manager.load(), state) == state
    assert manager.has_incomplete_job()
    manager.update_chunk_complete(1, "b")
    assert manager.load().completed_chunks == [1, 0, 2]  # type: ignore[union-attr]
    assert manager.load().results() == {1: "b"}  # type: ignore[union-attr]


def test_a_new_chunk_without_a_new_result_takes_no_earlier_result(manager: StateManager) -> None:
    """If only chunks are appended, each result stays with its chunk, and the new chunk is complete without a result."""
    manager.save(a_state(completed_chunks=[1], processed_results=["b"]))
    manager.save(manager.load().replace(completed_chunks=[1, 0]))  # type: ignore[union-attr]
    assert manager.load().results() == {1: "b"}  # type: ignore[union-attr]
    assert manager.load().remaining_chunks == a_state().total_chunks - 2  # type: ignore[union-attr]


def test_a_result_may_come_after_its_chunk(manager: StateManager) -> None:
    """A chunk completed without a result takes one later."""
    manager.save(a_state(completed_chunks=[0]))
    manager.update_chunk_complete(0, "late")
    assert manager.load().results() == {0: "late"}  # type: ignore[union-attr]


def test_a_stale_save_takes_nothing_back(manager: StateManager) -> None:
    """A processor that saves the state it loaded an hour ago loses no chunk."""
    manager.save(a_state())
    stale = manager.load()
    assert stale is not None
    manager.update_chunk_complete(0, "a")
    manager.update_chunk_complete(1, "b")
    manager.save(stale.replace(status=JobStatus.PAUSED))
    loaded = manager.load()
    assert loaded is not None
    assert (loaded.status, loaded.results()) == ("paused", {0: "a", 1: "b"})


def test_a_save_of_fewer_chunks_than_are_complete_is_refused(manager: StateManager) -> None:
    """Nothing that was paid for falls off the end."""
    manager.save(a_state(completed_chunks=[2], processed_results=["c"]))
    before = manager.load()
    with pytest.raises(StateFormatError, match="total_chunks"):
        manager.save(a_state(total_chunks=2))
    assert manager.load() == before


def test_save_of_another_job_makes_it_current(manager: StateManager) -> None:
    """The earlier one stays in the store."""
    manager.save(a_state())
    manager.update_chunk_complete(0, "kept")
    manager.save(a_state(job_id="job-2", file_name="other"))
    assert manager.load().job_id == "job-2"  # type: ignore[union-attr]
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert list(store.job("job-1").results(missing="skip")) == ["kept"]


def test_ids_that_begin_alike_are_two_jobs(manager: StateManager) -> None:
    """A state's job_id is the whole id."""
    manager.save(a_state(job_id="job-10"))
    manager.update_chunk_complete(0, "ten")
    manager.save(a_state(job_id="job-1", file_name="other.txt"))
    assert manager.load().completed_chunks == []  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [None, {}, "state", old_state()])
def test_save_takes_a_state_alone(manager: StateManager, tmp_path: Path, state: Any) -> None:
    """Anything else is refused, and creates nothing."""
    with pytest.raises(InvalidArgumentError):
        manager.save(state)
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_a_result_that_cannot_be_kept(manager: StateManager) -> None:
    """``save`` with a result that cannot be kept saves nothing."""
    manager.save(a_state())
    before = manager.load()
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises((InvalidResultError, StateFormatError)):
        manager.save(a_state(completed_chunks=[0, 1], processed_results=["fine", deep]))
    assert manager.load() == before


def test_save_stores_no_secret(manager: StateManager, tmp_path: Path) -> None:
    """``save`` refuses a secret in a config, and replaces a secret in an error message."""
    with pytest.raises(SecretInConfig) as caught:
        manager.save(a_state(config={"api_key": SECRET}))
    assert SECRET not in str(caught.value)
    manager.save(a_state(error_message=f"401 for {SECRET}"))
    manager.set_status("failed", f"again 401 for {SECRET}")
    manager.close()
    assert files_with(tmp_path, SECRET) == []


# -- chunks and status


def test_a_chunk_is_durable_and_in_the_file(manager: StateManager, make_manager: ManagerOpener) -> None:
    """When update_chunk_complete returns, another manager has it."""
    manager.save(a_state())
    manager.update_chunk_complete(1, {"text": "b"})
    assert make_manager().load().results() == {1: {"text": "b"}}  # type: ignore[union-attr]


def test_a_result_recorded_twice_stands_once(manager: StateManager) -> None:
    """The same changes nothing, and of two the later stands."""
    manager.save(a_state())
    manager.update_chunk_complete(1, "b")
    before = manager.load()
    manager.update_chunk_complete(1, "b")
    assert manager.load() == before
    with pytest.raises(ChunkOutOfRange):
        manager.update_chunk_complete(3, "x")
    assert manager.load() == before
    manager.update_chunk_complete(1, "other")
    assert manager.load().results() == {1: "other"}  # type: ignore[union-attr]


def test_all_chunks_complete_the_job(manager: StateManager) -> None:
    """A manager's job with all chunks complete is completed, and is no incomplete job any more."""
    manager.save(a_state())
    for index in (2, 0, 1):
        assert manager.has_incomplete_job()
        manager.update_chunk_complete(index, index)
    assert not manager.has_incomplete_job()
    assert manager.load().status == "completed"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "incomplete"), [("running", True), ("paused", True), ("failed", False), ("completed", False)]
)
def test_set_status_is_in_the_file_when_it_returns(manager: StateManager, status: str, incomplete: bool) -> None:
    """``set_status`` has its status and error message in the file when it returns."""
    manager.save(a_state())
    manager.set_status(status, "why")
    loaded = manager.load()
    assert loaded == ProcessingState.from_json(manager.state_path.read_bytes())
    assert (loaded.status, loaded.error_message) == (status, "why")
    assert manager.has_incomplete_job() is incomplete
    assert loaded.is_resumable is incomplete


@each_case("status", ["done", "", None, 1, "RUNNING"])
def test_set_status_refuses_other_words(manager: StateManager, status: Any) -> None:
    """The error names what there is."""
    manager.save(a_state())
    with pytest.raises(InvalidArgumentError, match="running, paused, completed, failed"):
        manager.set_status(status)
