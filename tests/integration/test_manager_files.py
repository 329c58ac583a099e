"""The files of a manager: from before there were stores, cleared, and shared."""

from __future__ import annotations

import gc
import json
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET, files_with, program, snapshot
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StateFormatError,
    StateManager,
    StorageUnavailableError,
    StoreRecovered,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, ManagerOpener
from .manager_tools import MOMENT, a_state, old_state

SHARE = program(__file__, "share_a_state")


def write(path: Path, state: dict[str, Any]) -> None:
    path.write_text(json.dumps(state, indent=2, ensure_ascii=False), encoding="utf-8")


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
    """A state file from before the store is imported with each result at its chunk."""
    write(manager.state_path, old_state(**changes))
    loaded = manager.load()
    assert loaded is not None
    assert sorted(loaded.completed_chunks) == sorted(old_state(**changes)["completed_chunks"])
    assert {index: result["cleaned_text"] for index, result in loaded.results().items()} == results
    assert (loaded.job_id, loaded.started_at, loaded.updated_at) == (old_state()["job_id"], MOMENT, MOMENT)
    assert manager.has_incomplete_job()


def test_times_of_another_zone_are_kept_in_utc(manager: StateManager) -> None:
    """A store has each time in UTC, also the times of a state file that counts them from another zone."""
    eastern = {"started_at": "2025-03-01T10:00:00+05:30", "updated_at": "2025-03-01T01:00:00.5-08:00"}
    write(manager.state_path, old_state(**eastern))
    loaded = manager.load()
    assert loaded is not None
    assert (loaded.started_at, loaded.updated_at) == ("2025-03-01T04:30:00.000Z", "2025-03-01T09:00:00.500Z")
    manager.save(loaded.replace(started_at="2025-03-01T10:00:00-01:00"))
    assert json.loads(manager.state_path.read_text())["started_at"] == "2025-03-01T11:00:00.000Z"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("20250301T100000Z", "2025-03-01T10:00:00.000Z"),
        ("2025-W09-6T10Z", "2025-03-01T10:00:00.000Z"),
        ("2025-03-01T10:00:00,5Z", "2025-03-01T10:00:00.500Z"),
        ("2025-03-01 10:00:00+00:00", "2025-03-01T10:00:00.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("2025-03-01T10:00:00.123456+00:00", "2025-03-01T10:00:00.123456+00:00"),
    ],
)
def test_times_of_any_spelling_are_kept_in_one(
    manager: StateManager, monkeypatch: pytest.MonkeyPatch, given: str, kept: str
) -> None:
    """A store writes each ISO 8601 time in a spelling that SQLite reads, also a time that no local clock knows."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # no local time of the year 1 is known there
    time.tzset()
    try:
        write(manager.state_path, old_state(started_at=given))
        assert manager.load().started_at == kept  # type: ignore[union-attr]
        manager.save(a_state(started_at=given))
        assert manager.load().started_at == kept  # type: ignore[union-attr]
    finally:
        monkeypatch.undo()
        time.tzset()


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


@pytest.mark.slow
def test_two_processes_take_a_state_file_over_at_once(children: Children, manager: StateManager) -> None:
    """Two processes that import a state file at the same moment get one job, and no error."""
    write(manager.state_path, old_state())
    assert children.together(4, SHARE, 0) == ["[0, 1]\n"] * 4
    manager.load()
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert len(store.jobs()) == 1


TORN = [b"", b"{", b'{\n  "version": "1.0",\n  "job_id": "x', b"\0" * 500]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_state_file_falls_back_to_the_one_before(manager: StateManager, torn: bytes) -> None:
    """What a power cut left of it is no reason to begin again. A warning says so."""
    manager.state_path.write_bytes(torn)
    write(manager.state_path.with_suffix(".bak"), old_state())
    with pytest.warns(StoreRecovered, match="2 completed chunks"):
        assert manager.load().completed_chunks == [0, 1]  # type: ignore[union-attr]


def test_a_lone_backup_is_taken_over(manager: StateManager) -> None:
    """A ``.bak`` that is all that survived is imported."""
    write(manager.state_path.with_suffix(".bak"), old_state())
    assert manager.load().completed_chunks == [0, 1]  # type: ignore[union-attr]


@each_case("torn", TORN)
def test_two_torn_files_are_an_error(manager: StateManager, tmp_path: Path, torn: bytes) -> None:
    """A torn state file with a torn ``.bak`` is an error that names the file, and both files stay as they are."""
    manager.state_path.write_bytes(torn)
    manager.state_path.with_suffix(".bak").write_bytes(torn)
    before = snapshot(tmp_path)
    with pytest.raises(StateFormatError) as caught:
        manager.load()
    assert caught.value.path == str(manager.state_path)
    assert snapshot(tmp_path) == before


@each_case(
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
    """A secret in an old state file is replaced in every file, with a warning."""
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
    process = children.start(program(__file__, "hold_a_result"))
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
    """``clear`` leaves other jobs as they are, and makes none of them current."""
    manager.save(a_state())
    manager.update_chunk_complete(0, "kept")
    manager.save(a_state(job_id="job-2", file_name="other.srt"))
    manager.clear()
    assert manager.load() is None
    manager.close()
    with CheckpointStore(manager.store_path, state_file=None) as store:
        assert list(store.job("job-1").results(missing="skip")) == ["kept"]


def test_after_clear_a_new_job_can_be_saved(manager: StateManager, make_manager: ManagerOpener) -> None:
    """A new job can be saved after ``clear``, even under the old id, and the old job does not come back."""
    manager.save(a_state(completed_chunks=[0], processed_results=["old"]))
    manager.clear()
    manager.close()
    again = make_manager()
    assert again.load() is None
    again.save(a_state())
    assert again.load().completed_chunks == []  # type: ignore[union-attr]


# -- together


@pytest.mark.slow
def test_two_managers_in_two_processes_share_one_job(manager: StateManager, children: Children) -> None:
    """Two processes record chunks of a job through a manager each, and both see all of them."""
    manager.save(a_state(total_chunks=60))
    children.together(3, SHARE, 60)
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
    """A manager that is never closed leaves an exact file at the end of the process, without a warning."""
    children.run(program(__file__, "never_closed"))
    assert ProcessingState.from_json((tmp_path / "state.json").read_bytes()).results() == {0: "x"}


def test_a_manager_that_is_collected_and_cannot_close_warns(tmp_path: Path) -> None:
    """Nobody can handle the error of a manager that nobody refers to: a warning says it, and no traceback does."""
    manager = StateManager(tmp_path / "state.json")
    manager.save(a_state())
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(StorageUnavailableError):
        manager.update_chunk_complete(0, "paid for")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        del manager
        gc.collect()
    assert [warning.category for warning in given] == [RuntimeWarning]
    assert "no longer there" in str(given[0].message)
    assert files_with(tmp_path, "paid for")


def test_a_store_and_a_manager_share_the_files(manager: StateManager) -> None:
    """What one face records, the other shows."""
    with CheckpointStore(manager.store_path) as store:
        job = store.open_job("f", chunks=["a", "b"])
        job.complete(0, "A")
        assert manager.load() == job.state()
        manager.update_chunk_complete(1, "B")
        assert list(job.results()) == ["A", "B"]


def test_a_folder_that_cannot_be_made_gets_an_error_of_the_library(tmp_path: Path) -> None:
    """The system does not even say whether a folder with a name that is too long is there: the error names it."""
    path = tmp_path / ("x" * 300) / "talk.json"
    with StateManager(path) as manager, pytest.raises(StorageUnavailableError, match="File name too long") as caught:
        manager.save(ProcessingState(file_name="talk.srt", total_chunks=1))
    assert caught.value.path == str(path.parent)
