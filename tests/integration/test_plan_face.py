"""StateManager for a processor that was written for the original plan: its calls, its files, its words."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import snapshot
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ChunkOutOfRange,
    InvalidArgumentError,
    JobNotFound,
    ProcessingState,
    StateFormatError,
    StateManager,
    StoreBusy,
    StoreRecovered,
    StoreTargetError,
)
from checkpoint_store.system.file_lock import file_lock

from .manager_tools import loaded

if TYPE_CHECKING:
    from conftest import ManagerOpener


def written(path: Path, **changes: Any) -> dict[str, Any]:
    """Write a state as the plan's code did."""
    state = {
        "version": "1.0",
        "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
        "status": "pending",
        "file_name": "",
        "video_title": "",
        "model": "",
        "provider": "",
        "total_chunks": 3,
        "completed_chunks": [1, 0],
        "processed_results": [{"chunk_index": 2, "t": "b"}, {"chunk_index": 1, "t": "a"}],
        "started_at": "2025-07-01T10:00:00.123456",
        "updated_at": "2025-07-01T10:00:01",
        "error_message": None,
        "config": {},
    } | changes
    path.write_text(json.dumps(state, indent=2))
    return state


# -- where its files are


def test_the_attributes_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default path and the lock's patience, which a subclass may have others of; paths as they were given."""
    monkeypatch.chdir(tmp_path)

    class Own(StateManager):
        DEFAULT_PATH = Path("own.json")
        LOCK_TIMEOUT = 0

    assert (Path(".processing_state.json"), 10) == (StateManager.DEFAULT_PATH, StateManager.LOCK_TIMEOUT)
    assert StateManager(None).state_path == StateManager().state_path == Path(".processing_state.json")
    assert StateManager().lock_path == Path(".processing_state.lock")
    given = StateManager(Path("some/state.json"))
    assert (given.state_path, given.lock_path) == (Path("some/state.json"), Path("some/state.lock"))
    with Own() as own:
        own.save(ProcessingState())
        assert Path("own.json").exists()
        with file_lock(tmp_path / "own.lock", 5), pytest.raises(StoreBusy) as caught:
            own.save(ProcessingState())
    assert caught.value.waited_seconds == 0


@each_case("name", ["state_path", "lock_path", "store_path"])
def test_a_manager_keeps_the_paths_that_it_was_made_with(tmp_path: Path, name: str) -> None:
    """Another path that is assigned later is refused: the results would go to the first path all the same."""
    manager = StateManager(tmp_path / "a.json")
    path = getattr(manager, name)
    for other in (tmp_path / "b.json", None):
        with pytest.raises(AttributeError, match=f"^{name} is '.*make another StateManager for another state file$"):
            setattr(manager, name, other)
    setattr(manager, name, str(path))
    assert getattr(manager, name) == path


def test_a_subclass_may_keep_the_state_path_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subclass that repeats the path, and a subclass that has it as an attribute of the class, use that state file."""
    monkeypatch.chdir(tmp_path)

    class Repeats(StateManager):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            self.state_path = Path(path)  # type: ignore[misc]

    class HasOwn(StateManager):
        state_path = Path("own.json")  # type: ignore[misc]

    for manager, name in ((Repeats("a.json"), "a.json"), (HasOwn(), "own.json"), (HasOwn("b.json"), "b.json")):
        with manager:
            manager.save(ProcessingState())
        assert manager.state_path == Path(name)
        assert Path(name).exists()


@dataclasses.dataclass(frozen=True)
class OwnState(ProcessingState):
    """A state of a program that adds a field."""

    total_cost: float = 0.0


def test_a_state_with_a_field_of_its_own_is_not_saved_without_it(manager: StateManager) -> None:
    """No later ``load`` would have the field: ``save`` names it, and records nothing."""
    with pytest.raises(StateFormatError, match=r"^total_cost is a field of a subclass") as refused:
        manager.save(OwnState(file_name="talk.srt", total_chunks=2, total_cost=4.5))
    assert (refused.value.field, manager.load()) == ("total_cost", None)


def test_a_folder_that_is_not_there_is_made_by_the_first_save(tmp_path: Path) -> None:
    """The first ``save`` makes a missing folder, no earlier call does, and a path below a file is refused at once."""
    with StateManager(tmp_path / "new" / "deeper" / "state.json") as manager:
        assert manager.load() is None
        assert not manager.has_incomplete_job()
        with pytest.raises(JobNotFound):
            manager.update_chunk_complete(0, {})
        manager.clear()
        assert list(tmp_path.iterdir()) == []
        manager.save(ProcessingState(file_name="a", total_chunks=1))
        assert loaded(manager).file_name == "a"
    assert stat.S_IMODE((tmp_path / "new" / "deeper" / "state.json").stat().st_mode) == 0o600
    with pytest.raises(StoreTargetError):
        StateManager(tmp_path / "new" / "deeper" / "state.json" / "state.json")


# -- chunks and statuses


@pytest.mark.parametrize(("before", "after"), [("pending", "running"), ("failed", "running"), ("paused", "paused")])
def test_a_chunk_makes_a_job_run(manager: StateManager, before: str, after: str) -> None:
    """``update_chunk_complete`` makes a job run, unless somebody paused it, and keeps its error message."""
    manager.save(ProcessingState(file_name="a", total_chunks=3))
    manager.set_status(before, "why")
    manager.update_chunk_complete(0, {"t": "a"})
    state = loaded(manager)
    assert (state.status, state.error_message, state.results()) == (after, "why", {0: {"t": "a"}})
    assert manager.has_incomplete_job()
    manager.close()  # the file may be a chunk behind until then
    assert ProcessingState.from_json(manager.state_path.read_bytes()) == state


def test_a_refused_chunk_changes_no_status(manager: StateManager) -> None:
    """A chunk that does not exist makes no job run."""
    manager.save(ProcessingState(file_name="a", total_chunks=3))
    with pytest.raises(ChunkOutOfRange):
        manager.update_chunk_complete(3, {})
    assert loaded(manager).status == "pending"


def test_the_last_chunk_of_a_failed_job_completes_it(manager: StateManager) -> None:
    """The last chunk of a failed job completes it, and a job that was called completed too early runs on."""
    manager.save(ProcessingState(file_name="a", total_chunks=2))
    manager.set_status("completed")
    manager.update_chunk_complete(0, {})
    assert loaded(manager).status == "running"
    manager.set_status("failed", "why")
    manager.update_chunk_complete(1, {})
    assert loaded(manager).status == "completed"


@pytest.mark.slow_variants
@pytest.mark.parametrize("status", ["pending", "running", "paused", "failed"])
def test_the_newer_result_stands_once(manager: StateManager, status: str) -> None:
    """Whatever the job's status, and in a store opened anew."""
    manager.save(ProcessingState(file_name="a", total_chunks=3))
    manager.set_status(status)
    for text in ("first", "second", "second"):
        manager.update_chunk_complete(1, {"t": text})
    assert loaded(manager).results() == {1: {"t": "second"}}
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert store.check() == []
        assert store.jobs()[0].progress().completed_chunks == 1


def test_without_a_job_the_error_says_what_to_do(manager: StateManager) -> None:
    """Save a state first; an unknown status is named before that."""
    for call in (lambda: manager.update_chunk_complete(0, {}), lambda: manager.set_status("paused")):
        with pytest.raises(JobNotFound, match="save a state first") as caught:
            call()
        assert "checkpoint-store list" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="pending, running, paused, completed, failed"):
        manager.set_status("done")


def test_a_job_that_grows_goes_on(manager: StateManager, make_manager: ManagerOpener) -> None:
    """A job that grows goes on, on its manager and on a manager that knew the smaller job."""
    other = make_manager()
    manager.save(ProcessingState(file_name="a", total_chunks=1))
    other.update_chunk_complete(0, "a")
    manager.save(loaded(manager).replace(total_chunks=4))
    manager.update_chunk_complete(2, "c")
    other.update_chunk_complete(3, "d")
    assert loaded(manager).results() == {0: "a", 2: "c", 3: "d"}


def test_save_sets_the_time_and_takes_what_a_state_may_be(manager: StateManager) -> None:
    """An empty name and a naive local time are legal; what comes back is aware, in UTC."""
    state = ProcessingState(started_at="2025-07-01T10:00:00", updated_at="2025-07-01T10:00:00")
    manager.save(state)
    found = loaded(manager)
    assert (found.file_name, found.model, found.job_id) == ("", "", state.job_id)
    assert found.updated_at > "2026"
    assert found.started_at.endswith("Z")


def test_on_resume_a_state_is_saved_as_running(manager: StateManager, make_manager: ManagerOpener) -> None:
    """A processor of the plan that assigns a status gets an error that says how to replace the field."""
    manager.save(ProcessingState(file_name="a", total_chunks=2, status="paused", completed_chunks=[0]))
    again = make_manager()
    existing: Any = loaded(again)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r'state.replace\(status="running"\)'):
        existing.status = "running"
    again.save(existing.replace(status="running"))
    assert (loaded(manager).status, loaded(manager).next_chunk_index) == ("running", 1)


def test_a_foreign_chunk_index_is_stored_as_it_is(manager: StateManager) -> None:
    """The state says in result_indices which chunk each result belongs to, and so does its file."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for index in (2, 0):
        manager.update_chunk_complete(index, {"chunk_index": index + 1, "span": (index, index + 1)})
    state = loaded(manager)
    assert state.processed_results == [{"chunk_index": 1, "span": [0, 1]}, {"chunk_index": 3, "span": [2, 3]}]
    assert state.result_indices == [0, 2]
    manager.set_status("paused")
    assert json.loads(manager.state_path.read_text())["result_indices"] == [0, 2]


@each_case("given", [5, object(), "", b""])
def test_a_state_path_that_is_no_path_is_refused(given: Any) -> None:
    """The error says what a ``state_path`` is; a path may be text, bytes, or any object that is a path."""
    with pytest.raises(StoreTargetError, match="cannot be used as a state file: give the path of a file"):
        StateManager(given)
    assert StateManager(b"state.json").state_path == Path("state.json")  # type: ignore[arg-type]


def test_clear_takes_the_backup_along(manager: StateManager, tmp_path: Path) -> None:
    """``clear`` removes the ``.bak``, even if it shows an earlier job."""
    manager.save(ProcessingState(file_name="a", total_chunks=1))
    manager.save(ProcessingState(file_name="b", total_chunks=1))
    assert manager.state_path.with_suffix(".bak").exists()
    manager.clear()
    assert {path.suffix for path in tmp_path.iterdir()} & {".json", ".bak"} == set()


# -- what the plan's code left


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_local_times_are_read_as_such(manager: StateManager, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """A time without an offset is one of this machine; the store keeps it in UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        written(manager.state_path)
        hours = {"UTC": "10:00", "America/New_York": "14:00", "Asia/Kolkata": "04:30"}
        assert loaded(manager).started_at == f"2025-07-01T{hours[zone]}:00.123Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_file_of_the_plan_is_taken_over_whole(manager: StateManager) -> None:
    """Pending, without a name, recorded out of order and counted from 1: and it goes on."""
    written(manager.state_path)
    state = loaded(manager)
    assert (state.status, state.file_name) == ("pending", "")
    assert state.results() == {0: {"chunk_index": 1, "t": "a"}, 1: {"chunk_index": 2, "t": "b"}}
    manager.update_chunk_complete(2, {"chunk_index": 3, "t": "c"})
    assert loaded(manager).status == "completed"


@pytest.mark.parametrize("torn", ["{torn", '{"version": "1.0", "job', "[1, 2", "\x01\x02 binary", '{"a": 1}}'])
def test_what_is_torn_beside_a_good_backup_is_recovered(manager: StateManager, torn: str) -> None:
    """Whatever is left of it. A warning says so."""
    written(manager.state_path.with_suffix(".bak"))
    manager.state_path.write_text(torn)
    with pytest.warns(StoreRecovered, match="2 completed chunks"):
        assert manager.has_incomplete_job() is False
    assert sorted(loaded(manager).results()) == [0, 1]


@pytest.mark.parametrize(
    ("text", "backup"),
    [('{"name": "my-package"}', True), ("[1, 2]", True), ("{torn", False), ("#!/bin/sh", False)],
)
def test_a_strangers_file_stays(manager: StateManager, tmp_path: Path, text: str, backup: bool) -> None:
    """What is whole JSON of something else, or has no backup of ours beside it, is refused, and touched by nobody."""
    manager.state_path.write_text(text)
    if backup:
        written(manager.state_path.with_suffix(".bak"))
    before = snapshot(tmp_path)
    for call in (manager.load, lambda: manager.save(ProcessingState())):
        with pytest.raises(StoreTargetError):
            call()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"processed_results": ["a", "b", "c"]}, "[2]"),
        ({"completed_chunks": [0, 7]}, "[1] is 7"),
        ({"completed_chunks": [0, 1, 2], "processed_results": ["a", "b", "a", "b"]}, "[2]"),
    ],
)
def test_what_cannot_be_paired_says_which_entry(
    manager: StateManager, tmp_path: Path, changes: dict[str, Any], entry: str
) -> None:
    """A state file that pairs no result with a chunk is refused with the faulty entry, and stays as it is."""
    written(manager.state_path, **changes)
    before = snapshot(tmp_path)
    with pytest.raises(StateFormatError) as caught:
        manager.load()
    assert entry in caught.value.reason
    assert caught.value.path == str(manager.state_path)
    assert snapshot(tmp_path) == before


def test_a_file_of_the_plan_that_anyone_may_read_is_made_private(manager: StateManager) -> None:
    """A file that anyone may read is made private, with all that it becomes."""
    written(manager.state_path)
    os.chmod(manager.state_path, 0o644)  # as the plan's code left it
    loaded(manager)
    for path in (manager.state_path, manager.state_path.with_suffix(".bak")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_object_without_an_id_is_no_state_file(manager: StateManager, tmp_path: Path) -> None:
    """Defaults are for from_dict; a file without an id would be a new job at each import."""
    other = tmp_path / "other.json"
    other.write_text('{"version": "1.0", "total_chunks": 3}')
    manager.save(ProcessingState())
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        with pytest.raises(StateFormatError, match="job_id is missing"):
            store.import_state(other)
        assert len(store.jobs()) == 1
