"""StateManager: the face of one current job, over the same store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET, files_with, snapshot

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

    from conftest import Children, ManagerOpener

MOMENT = "2025-03-01T10:00:00+00:00"


def a_state(**changes: Any) -> ProcessingState:
    values = {"file_name": "lecture.srt", "total_chunks": 3, "job_id": "job-1", "config": {"chunk_size": 2000}}
    values["status"] = "running"
    return ProcessingState(**values | changes)


def as_of(loaded: ProcessingState | None, saved: ProcessingState) -> ProcessingState:
    """A state that came back, but for the moment of its saving."""
    assert loaded is not None
    assert loaded.updated_at >= saved.updated_at
    return loaded.replace(updated_at=saved.updated_at)


def old_state(**changes: Any) -> dict[str, Any]:
    """What the JSON-only version wrote."""
    return {
        "version": "1.0",
        "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
        "status": "running",
        "file_name": "lecture.srt",
        "video_title": "Größe",
        "model": "m",
        "provider": "p",
        "total_chunks": 5,
        "completed_chunks": [0, 1],
        "processed_results": [
            {"chunk_index": 0, "cleaned_text": "A"},
            {"chunk_index": 1, "cleaned_text": "B"},
        ],
        "started_at": MOMENT,
        "updated_at": MOMENT,
        "error_message": None,
        "config": {"chunk_size": 2000},
    } | changes


def write(path: Path, state: dict[str, Any]) -> None:
    path.write_text(json.dumps(state, indent=2, ensure_ascii=False), encoding="utf-8")


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


@pytest.mark.parametrize("name", ["", "state.db", "state.lock", "state.bak", "file/state.json", "."])
def test_a_bad_state_path_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the manager is made, and nothing is created."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises((StoreTargetError, InvalidArgumentError)):
        StateManager(name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_by_default_the_files_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.processing_state.json``, and its neighbours."""
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
    """By this manager and by the next one, equal in every field but the time of saving."""
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
    """When save returns."""
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
        assert list(store.job("job-1").results()) == ["kept"]


def test_ids_that_begin_alike_are_two_jobs(manager: StateManager) -> None:
    """A state's job_id is the whole id."""
    manager.save(a_state(job_id="job-10"))
    manager.update_chunk_complete(0, "ten")
    manager.save(a_state(job_id="job-1"))
    assert manager.load().completed_chunks == []  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [None, {}, "state", old_state()])
def test_save_takes_a_state_alone(manager: StateManager, tmp_path: Path, state: Any) -> None:
    """Anything else is refused, and creates nothing."""
    with pytest.raises(InvalidArgumentError):
        manager.save(state)
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_a_result_that_cannot_be_kept(manager: StateManager) -> None:
    """All of the save or none of it."""
    manager.save(a_state())
    before = manager.load()
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises((InvalidResultError, StateFormatError)):
        manager.save(a_state(completed_chunks=[0, 1], processed_results=["fine", deep]))
    assert manager.load() == before


def test_save_stores_no_secret(manager: StateManager, tmp_path: Path) -> None:
    """In a config it is refused, in an error message replaced."""
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
    """Then there is no incomplete job."""
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
    """With its error message; running and paused jobs can go on."""
    manager.save(a_state())
    manager.set_status(status, "why")
    loaded = manager.load()
    assert loaded == ProcessingState.from_json(manager.state_path.read_bytes())
    assert (loaded.status, loaded.error_message) == (status, "why")
    assert manager.has_incomplete_job() is incomplete
    assert loaded.is_resumable is incomplete


@pytest.mark.parametrize("status", ["done", "", None, 1, "RUNNING"])
def test_set_status_refuses_other_words(manager: StateManager, status: Any) -> None:
    """The error names what there is."""
    manager.save(a_state())
    with pytest.raises(InvalidArgumentError, match="running, paused, completed, failed"):
        manager.set_status(status)


# -- a state file from before


@pytest.mark.parametrize(
    ("changes", "results"),
    [
        ({}, {0: "A", 1: "B"}),
        (
            {
                "completed_chunks": [3, 0, 4],
                "processed_results": [
                    {"chunk_index": 4, "cleaned_text": "E"},
                    {"chunk_index": 3, "cleaned_text": "D"},
                    {"chunk_index": 0, "cleaned_text": "A"},
                ],
            },
            {0: "A", 3: "D", 4: "E"},
        ),
        (
            {"completed_chunks": [3, 0], "processed_results": [{"cleaned_text": "D"}, {"cleaned_text": "A"}]},
            {0: "A", 3: "D"},
        ),
        ({"completed_chunks": [3, 0], "processed_results": [{"cleaned_text": "D"}]}, {3: "D"}),
        ({"completed_chunks": [3, 0], "processed_results": []}, {}),
        ({"completed_chunks": [], "processed_results": []}, {}),
    ],
    ids=["plain", "unordered", "by position", "fewer results", "no results", "nothing"],
)
def test_a_state_file_from_before_is_taken_over(
    manager: StateManager, changes: dict[str, Any], results: dict[int, str]
) -> None:
    """Each result is paired with its chunk."""
    write(manager.state_path, old_state(**changes))
    loaded = manager.load()
    assert loaded is not None
    assert sorted(loaded.completed_chunks) == sorted(old_state(**changes)["completed_chunks"])
    assert {index: result["cleaned_text"] for index, result in loaded.results().items()} == results
    assert (loaded.job_id, loaded.started_at, loaded.updated_at) == (old_state()["job_id"], MOMENT, MOMENT)
    assert manager.has_incomplete_job()


def test_a_state_file_from_before_is_taken_over_once(manager: StateManager, make_manager: ManagerOpener) -> None:
    """After that the store is the truth, and the old text is one file back."""
    write(manager.state_path, old_state())
    before = manager.state_path.read_bytes()
    manager.load()
    assert manager.state_path.with_suffix(".bak").read_bytes() == before
    manager.update_chunk_complete(2, {"cleaned_text": "C"})
    manager.close()
    write(manager.state_path, old_state(completed_chunks=[], processed_results=[]))
    assert make_manager().load().completed_chunks == [0, 1, 2]  # type: ignore[union-attr]


def test_two_processes_take_a_state_file_over_at_once(children: Children, manager: StateManager) -> None:
    """One job, and no error."""
    write(manager.state_path, old_state())
    source = "manager = StateManager('state.json'); print(manager.load().completed_chunks); manager.close()\n"
    assert children.together(4, source) == ["[0, 1]\n"] * 4
    manager.load()
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert len(store.jobs()) == 1


TORN = [b"", b"{", b'{\n  "version": "1.0",\n  "job_id": "x', b"\0" * 500]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_state_file_falls_back_to_the_one_before(manager: StateManager, torn: bytes) -> None:
    """What a power cut left of it is no reason to begin again."""
    manager.state_path.write_bytes(torn)
    write(manager.state_path.with_suffix(".bak"), old_state())
    assert manager.load().completed_chunks == [0, 1]  # type: ignore[union-attr]


def test_a_lone_backup_is_taken_over(manager: StateManager) -> None:
    """All that survived."""
    write(manager.state_path.with_suffix(".bak"), old_state())
    assert manager.load().completed_chunks == [0, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize("torn", TORN)
def test_two_torn_files_are_an_error(manager: StateManager, tmp_path: Path, torn: bytes) -> None:
    """That names the file; both stay as they are, and nothing is created."""
    manager.state_path.write_bytes(torn)
    manager.state_path.with_suffix(".bak").write_bytes(torn)
    before = snapshot(tmp_path)
    with pytest.raises(StateFormatError) as caught:
        manager.load()
    assert caught.value.path == str(manager.state_path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": "9.0"}, "version"),
        ({"version": None}, "version"),
        ({"extra": 1}, "extra"),
        ({"completed_chunks": [0, 0]}, "completed_chunks"),
        ({"completed_chunks": [7]}, "completed_chunks"),
        ({"completed_chunks": [0], "processed_results": ["a", "b"]}, "processed_results"),
        ({"result_indices": [4]}, "result_indices"),
        ({"total_chunks": "5"}, "total_chunks"),
        ({"status": "done"}, "status"),
    ],
)
def test_a_state_that_is_none_is_refused_untouched(
    manager: StateManager, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    """The error names file and field; nothing is lost, and nothing created."""
    write(manager.state_path, old_state(**changes))
    before = snapshot(tmp_path)
    for call in (manager.load, manager.has_incomplete_job, lambda: manager.save(a_state())):
        with pytest.raises(StateFormatError) as caught:
            call()
        assert (caught.value.field, caught.value.path) == (field, str(manager.state_path))
    assert snapshot(tmp_path) == before


def test_an_unknown_version_is_not_passed_over_for_the_backup(manager: StateManager) -> None:
    """A newer library wrote it: the older backup is no substitute."""
    write(manager.state_path, old_state(version="9.0"))
    write(manager.state_path.with_suffix(".bak"), old_state())
    with pytest.raises(StateFormatError, match="version"):
        manager.load()


def test_a_secret_in_an_old_state_file_is_gone_from_every_file(manager: StateManager, tmp_path: Path) -> None:
    """It is replaced, with a warning."""
    write(manager.state_path, old_state(config={"api_key": SECRET, "chunk_size": 5}, error_message=f"bad {SECRET}"))
    with pytest.warns(UserWarning, match="secret"):
        loaded = manager.load()
    assert loaded is not None
    assert loaded.config["chunk_size"] == 5
    manager.close()
    assert files_with(tmp_path, SECRET) == []


# -- clear


def test_clear_leaves_no_byte_of_a_result_in_any_file(
    manager: StateManager, make_manager: ManagerOpener, tmp_path: Path
) -> None:
    """While it is open, while another has it open too, and when both are closed."""
    other = make_manager()
    manager.save(a_state(total_chunks=50, video_title="CANARY-TITLE"))
    for index in range(40):
        manager.update_chunk_complete(index, {"text": "CANARY-RESULT " * 500})
    manager.set_status("paused", "CANARY-ERROR")
    assert other.has_incomplete_job()
    assert {"state.json", "state.bak"} <= set(files_with(tmp_path, "CANARY"))
    manager.clear()
    assert files_with(tmp_path, "CANARY") == []
    assert not manager.state_path.exists()
    assert not manager.state_path.with_suffix(".bak").exists()
    assert (manager.load(), other.load(), other.has_incomplete_job()) == (None, None, False)
    other.close()
    manager.close()
    assert files_with(tmp_path, "CANARY") == []


def test_clear_beside_another_process_leaves_no_byte(manager: StateManager, children: Children, tmp_path: Path) -> None:
    """Another process that has the store open, and has read the job, keeps nothing of it alive."""
    manager.save(a_state())
    manager.update_chunk_complete(0, "CANARY " * 5000)
    source = """
import sys
from checkpoint_store import StateManager
with StateManager("state.json") as manager:
    manager.update_chunk_complete(1, "CANARY " * 5000)
    manager.load()
    print("there", flush=True)
    sys.stdin.readline()
    print(manager.load())
"""
    process = children.start(source)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    manager.clear()
    assert files_with(tmp_path, "CANARY") == []
    assert children.finish(process, "go\n") == "None\n"
    assert files_with(tmp_path, "CANARY") == []


def test_clear_removes_what_a_killed_writer_left(manager: StateManager, tmp_path: Path) -> None:
    """Temporary state files hold results too."""
    manager.save(a_state())
    for name in ("state.json.tmp-0123456789ab", "state.bak.tmp-0123456789ab"):
        (tmp_path / name).write_text('{"job_id": "job-1", "processed_results": ["CANARY"]')
    manager.clear()
    assert files_with(tmp_path, "CANARY") == []


def test_clear_leaves_other_jobs_alone(manager: StateManager) -> None:
    """And makes none of them current."""
    manager.save(a_state())
    manager.update_chunk_complete(0, "kept")
    manager.save(a_state(job_id="job-2"))
    manager.clear()
    assert manager.load() is None
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert list(store.job("job-1").results()) == ["kept"]


def test_after_clear_a_new_job_can_be_saved(manager: StateManager, make_manager: ManagerOpener) -> None:
    """Under the same id too, and the old one does not come back."""
    manager.save(a_state(completed_chunks=[0], processed_results=["old"]))
    manager.clear()
    manager.close()
    again = make_manager()
    assert again.load() is None
    again.save(a_state())
    assert again.load().completed_chunks == []  # type: ignore[union-attr]


# -- together


def test_two_managers_in_two_processes_share_one_job(manager: StateManager, children: Children) -> None:
    """Each records its chunks; both see all of them."""
    manager.save(a_state(total_chunks=60))
    source = """
number = int(sys.argv[-1])
with StateManager("state.json") as manager:
    for index in range(number, 60, 3):
        manager.update_chunk_complete(index, {"by": number, "index": index})
"""
    children.together(3, source)
    loaded = manager.load()
    assert loaded is not None
    assert loaded.results() == {index: {"by": index % 3, "index": index} for index in range(60)}
    assert loaded.status == "completed"


def test_a_manager_follows_what_another_makes_current(manager: StateManager, make_manager: ManagerOpener) -> None:
    """The current job is the store's, not the manager's."""
    other = make_manager()
    manager.save(a_state())
    assert other.has_incomplete_job()
    manager.save(a_state(job_id="job-2"))
    other.update_chunk_complete(0, "x")
    assert manager.load().results() == {0: "x"}  # type: ignore[union-attr]
    other.clear()
    assert manager.load() is None


def test_a_closed_manager_opens_again(manager: StateManager) -> None:
    """The face of old had nothing to close."""
    manager.save(a_state())
    manager.close()
    manager.close()
    manager.update_chunk_complete(0, "x")
    assert manager.load().results() == {0: "x"}  # type: ignore[union-attr]


def test_a_manager_that_is_never_closed_leaves_an_exact_file(children: Children, tmp_path: Path) -> None:
    """At the end of the process, and no warning."""
    source = """
import checkpoint_store.export as export
export._CREDIT_SECONDS = -1e9
from checkpoint_store import ProcessingState, StateManager
manager = StateManager("state.json")
manager.save(ProcessingState(file_name="f", total_chunks=3, job_id="job-1"))
manager.update_chunk_complete(0, "x")
"""
    children.run(source)
    assert ProcessingState.from_json((tmp_path / "state.json").read_bytes()).results() == {0: "x"}


def test_a_store_and_a_manager_share_the_files(manager: StateManager) -> None:
    """What one face records, the other shows."""
    with CheckpointStore(manager.store_path) as store:
        job = store.open_job("f", chunks=["a", "b"])
        job.complete(0, "A")
        assert manager.load() == job.state()
        manager.update_chunk_complete(1, "B")
        assert list(job.results()) == ["A", "B"]
