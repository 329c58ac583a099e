"""What a store that opens does with its state file: each row of the decision table, on real files."""

from __future__ import annotations

import json
import os
import time
import warnings
from typing import TYPE_CHECKING

import pytest
from conftest import SECRET, files_with
from each_case import each_case
from filelock import FileLock

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StateFormatError,
    StateManager,
    StoreDamaged,
    StoreRecovered,
    recover_store,
)
from checkpoint_store.state_file import importer
from checkpoint_store.state_file.importer import Action, Situation, decide

if TYPE_CHECKING:
    from pathlib import Path

LATER = "2199-01-01T00:00:00.000Z"
EARLIER = "2001-01-01T00:00:00.000Z"

TABLE = {
    "a job deleted beside others stays deleted": (Situation(True, None, 3, True, False), Action.REMOVE),
    "more chunks than the store has are imported": (
        Situation(False, 2, 3, True, False),
        Action.IMPORT,
    ),
    "more chunks count whatever the time says": (
        Situation(False, 2, 3, False, False),
        Action.IMPORT,
    ),
    "an unknown job with completed chunks is imported": (
        Situation(False, None, 1, True, False),
        Action.IMPORT,
    ),
    "an unknown job without completed chunks is left": (
        Situation(False, None, 0, True, False),
        Action.LEAVE,
    ),
    "as many chunks, written later: the results are compared": (
        Situation(False, 3, 3, True, False),
        Action.COMPARE,
    ),
    "fewer chunks, written later: the results are compared": (
        Situation(False, 3, 2, True, False),
        Action.COMPARE,
    ),
    "a state file that lags behind a job at work is left": (
        Situation(False, 3, 2, False, False),
        Action.LEAVE,
    ),
    "a state file that a killed program left behind is written": (
        Situation(False, 3, 2, False, True),
        Action.FOLLOW,
    ),
}


@each_case(("situation", "expected"), TABLE.values(), ids=TABLE)
def test_each_row_of_the_table(situation: Situation, expected: Action) -> None:
    """Each situation has one answer."""
    assert decide(situation) == expected


def change(path: Path, changes: dict[str, object]) -> None:
    """Change fields in a state file, as an editor does."""
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes, indent=2))


BY_HAND: dict[str, tuple[dict[str, object], str | None]] = {
    "a status": ({"status": "failed"}, "is failed with 2 completed chunks, and the store says running with 2"),
    "fewer chunks": (
        {"completed_chunks": [0], "processed_results": ["a"], "result_indices": [0]},
        "is running with 1 completed chunk, and the store says running with 2",
    ),
    "a result": ({"processed_results": ["by hand", "b"]}, "has another result of chunk 0 than the store"),
    "nothing": ({}, None),
}


@each_case(("changes", "expected"), BY_HAND.values(), ids=BY_HAND)
def test_a_change_by_hand_has_no_effect_and_a_warning_says_so(
    changes: dict[str, object], expected: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If a person changed a state file beside its sound store, the store is the truth: the log and a warning say so."""
    caplog.clear()
    with StateManager(tmp_path / "talk.json") as manager:
        manager.save(ProcessingState(file_name="talk.txt", status="running", total_chunks=3))
        manager.update_chunk_complete(0, "a")
        manager.update_chunk_complete(1, "b")
    change(manager.state_path, changes)
    a_minute_later = time.time() + 60
    os.utime(manager.state_path, (a_minute_later, a_minute_later))
    with warnings.catch_warnings(record=True) as given, StateManager(tmp_path / "talk.json") as manager:
        warnings.simplefilter("always")
        state = manager.load()
    assert state is not None
    assert (state.status, state.completed_chunks, state.processed_results) == ("running", [0, 1], ["a", "b"])
    warnings_logged = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [str(warning.message) for warning in given] == warnings_logged
    assert len(warnings_logged) == (expected is not None)
    assert all(f"{expected}; a change by hand" in line for line in warnings_logged)


def test_a_state_file_of_a_moment_before_is_no_change_by_hand(tmp_path: Path) -> None:
    """If two processes record chunks in one millisecond, the state file may lack one of them: that warns nobody."""
    with StateManager(tmp_path / "talk.json") as manager:
        manager.save(ProcessingState(file_name="talk.txt", status="running", total_chunks=3))
        manager.update_chunk_complete(0, "a")
    change(manager.state_path, {"completed_chunks": [], "processed_results": [], "result_indices": []})
    with warnings.catch_warnings(), StateManager(tmp_path / "talk.json") as manager:
        warnings.simplefilter("error")
        state = manager.load()
    assert state is not None
    assert state.completed_chunks == [0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store file beside its state file: one job of three chunks, two of them completed."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        for index in range(2):
            job.complete(index, {"text": f"chunk {index}"})
        job.pause()
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    return path


def state_of(path: Path) -> ProcessingState:
    """The state in the state file beside a store."""
    return ProcessingState.from_json(path.with_suffix(".json").read_bytes())


def write(path: Path, **changes: object) -> ProcessingState:
    """Change the state file beside a store, in the layout in which the store writes it; without a ``.bak``."""
    state = state_of(path).replace(**changes)
    elsewhere = path.with_name("elsewhere.db")
    with CheckpointStore(elsewhere, state_file=None) as store:
        made = path.with_name("elsewhere.txt")
        made.write_text(state.to_json(), encoding="utf-8")
        store.import_state(made).export(path.with_suffix(".json"), replace=True)
    for stray in path.parent.glob("elsewhere*"):
        stray.unlink()
    path.with_suffix(".bak").unlink(missing_ok=True)
    return state


def opened(path: Path) -> dict[int, object]:
    """Open the store without a warning, and return the results of its newest job."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with CheckpointStore(path) as store:
            job = store.latest_job()
            return {} if job is None else dict(job.items())


def three(state: ProcessingState, second: str = "chunk 1") -> dict[str, object]:
    """The fields of a state with its three chunks completed."""
    results = [{"text": "chunk 0"}, {"text": second}, {"text": "chunk 2"}]
    return {
        "completed_chunks": [0, 1, 2],
        "processed_results": results,
        "result_indices": [0, 1, 2],
        "status": "completed",
        "updated_at": LATER,
        "job_id": state.job_id,
    }


def test_a_new_store_imports_its_state_file_without_a_warning(tmp_path: Path) -> None:
    """A state file from before stores existed becomes the first job."""
    state = ProcessingState(
        version="1.0", file_name="talk.srt", total_chunks=2, completed_chunks=[0], processed_results=[{"text": "zero"}]
    )
    (tmp_path / "talks.json").write_text(state.to_json(), encoding="utf-8")
    assert opened(tmp_path / "talks.db") == {0: {"text": "zero"}}


def test_a_new_store_takes_the_backup_where_the_state_file_is_torn(tmp_path: Path) -> None:
    """Of two state files, the one that can be read is imported, and the user is told."""
    text = ProcessingState(total_chunks=1, completed_chunks=[0], processed_results=[{"text": "zero"}]).to_json()
    (tmp_path / "talks.json").write_text(text[:-60], encoding="utf-8")
    (tmp_path / "talks.bak").write_text(text, encoding="utf-8")
    with pytest.warns(StoreRecovered, match=r"talks\.bak was taken in") as caught:
        CheckpointStore(tmp_path / "talks.db").close()
    assert {warning.filename for warning in caught} == {__file__}
    assert opened(tmp_path / "talks.db") == {0: {"text": "zero"}}


def test_a_store_without_jobs_imports_its_state_file_with_a_warning(path: Path) -> None:
    """An empty store beside a state file lost its jobs: they come back, and the user is told."""
    path.unlink()
    CheckpointStore(path, state_file=None).close()
    with pytest.warns(
        StoreRecovered, match=r"was taken in from .*, with 2 completed chunks: .* did not have"
    ) as caught:
        store = CheckpointStore(path)
    assert {warning.filename for warning in caught} == {__file__}
    store.close()
    assert sorted(opened(path)) == [0, 1]


@pytest.mark.slow_variants
@pytest.mark.parametrize("others", [0, 1])
def test_a_deleted_job_does_not_come_back_from_its_state_file(path: Path, others: int) -> None:
    """A state file that is put back after its job was deleted is removed, whether or not other jobs are there."""
    text = path.with_suffix(".json").read_bytes()
    with CheckpointStore(path) as store:
        store.delete_job(state_of(path).job_id)
        for _ in range(others):
            store.open_job("other.srt", total_chunks=1)
    path.with_suffix(".json").write_bytes(text)
    assert opened(path) == {}
    assert not path.with_suffix(".json").exists()


def test_a_state_file_that_knows_more_is_imported_with_a_warning(path: Path) -> None:
    """A store that lost its newest chunks has them back from the state file."""
    write(path, **three(state_of(path)))
    with pytest.warns(StoreRecovered, match=r"knew of 3 completed chunks .* of 2: taken in"):
        CheckpointStore(path).close()
    assert opened(path)[2] == {"text": "chunk 2"}


def test_a_secret_in_a_state_file_that_knows_more_stays_in_no_file(path: Path) -> None:
    """What looks like a secret is replaced in the store, and the state file that had it does not stay as ``.bak``."""
    state = state_of(path).replace(completed_chunks=[0, 1, 2], error_message=f"401: Authorization: Bearer {SECRET}")
    path.with_suffix(".json").write_text(state.to_json(), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"looks like a secret|taken in"):
        CheckpointStore(path).close()
    assert files_with(path.parent, SECRET) == []


def test_a_state_file_that_knows_more_and_contradicts_is_refused(path: Path) -> None:
    """Where nobody can tell which result is right, nothing is imported, and the error names the chunk."""
    write(path, **three(state_of(path), second="another"))
    with pytest.raises(
        StoreDamaged, match=r"talks\.json knows of more completed chunks, and contradicts it in chunk 1"
    ):
        CheckpointStore(path)
    assert "another" in path.with_suffix(".json").read_text(encoding="utf-8")
    with CheckpointStore(path, state_file=None) as store:
        assert sorted(index for index, _ in store.jobs()[0].items()) == [0, 1]


def test_a_later_state_file_that_agrees_is_left(path: Path) -> None:
    """A later time alone is no damage."""
    write(path, updated_at=LATER)
    assert opened(path) == {0: {"text": "chunk 0"}, 1: {"text": "chunk 1"}}


def test_a_later_state_file_that_contradicts_is_refused(path: Path) -> None:
    """A result that was replaced, and lost with the WAL, is not written over by the older one."""
    write(path, updated_at=LATER, processed_results=[{"text": "chunk 0"}, {"text": "newer"}], result_indices=[0, 1])
    with pytest.raises(StoreDamaged, match=r"talks\.json was written later, and contradicts it in chunk 1"):
        CheckpointStore(path)
    assert "newer" in path.with_suffix(".json").read_text(encoding="utf-8")


def test_a_later_state_file_that_cannot_be_compared_says_how_to_go_on(path: Path) -> None:
    """A later state file that is damaged between its beginning and its end: the call that the error names opens it."""
    write(path, updated_at=LATER)
    state_file = path.with_suffix(".json")
    state_file.write_text(state_file.read_text(encoding="utf-8").replace("chunk 0", "chunk \x01"), encoding="utf-8")
    with pytest.raises(StateFormatError, match=r"talks\.json: state is not JSON.*recover_store\("):
        CheckpointStore(path)
    recover_store(path, accept_loss=True)
    assert opened(path) == {0: {"text": "chunk 0"}, 1: {"text": "chunk 1"}}


def test_an_earlier_state_file_is_left(path: Path) -> None:
    """A state file that lags behind its store is not compared with it."""
    write(path, updated_at=EARLIER, processed_results=[{"text": "chunk 0"}, {"text": "older"}], result_indices=[0, 1])
    assert opened(path)[1] == {"text": "chunk 1"}


def test_an_unknown_job_without_chunks_is_left(path: Path) -> None:
    """The state of another job, which has completed nothing, does not become a job of this store."""
    empty = {"completed_chunks": [], "processed_results": [], "result_indices": []}
    write(path, job_id="another", **empty)
    with CheckpointStore(path) as store:
        assert [job.file_name for job in store.jobs()] == ["talk.srt"]
        assert [job.job_id for job in store.jobs()] != ["another"]


def left_behind(path: Path) -> bytes:
    """Leave a state file beside a store as a program leaves it that is killed right after its last completion."""
    earlier = path.with_suffix(".json").read_bytes()
    with CheckpointStore(path) as store:
        store.job("talk.srt").complete(2, {"text": "chunk 2"})
    path.with_suffix(".json").write_bytes(earlier)
    return earlier


@pytest.fixture
def minutes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last change of each job be long past."""
    monkeypatch.setattr(importer, "_AT_WORK_SECONDS", -3600.0)


@pytest.mark.usefixtures("minutes_later")
def test_a_state_file_that_a_kill_left_behind_is_exact_after_the_next_close(path: Path) -> None:
    """Whoever reads the file of a job that is done does not read for ever that chunks are left."""
    left_behind(path)
    assert opened(path) == {index: {"text": f"chunk {index}"} for index in range(3)}
    assert (state_of(path).status, state_of(path).completed_chunks) == ("completed", [0, 1, 2])


@pytest.mark.usefixtures("minutes_later")
def test_a_state_file_that_lags_is_left_to_the_program_at_work(path: Path) -> None:
    """A program that only looks into a store writes no state file while another program works on the job."""
    with CheckpointStore(path) as store:
        job = store.job("talk.srt")
        chunk = next(iter(job.pending()))
        earlier = path.with_suffix(".bak").read_bytes()
        path.with_suffix(".json").write_bytes(earlier)
        opened(path)
        assert path.with_suffix(".json").read_bytes() == earlier
        chunk.complete({"text": "chunk 2"})
    assert state_of(path).completed_chunks == [0, 1, 2]


def test_a_state_file_that_lags_is_left_to_a_manager_at_work(path: Path) -> None:
    """A `StateManager` is no runner: for a minute after its last change, others leave the state file to it."""
    earlier = left_behind(path)
    opened(path)
    assert path.with_suffix(".json").read_bytes() == earlier


@pytest.mark.usefixtures("minutes_later")
def test_a_program_that_changed_nothing_ends_well_beside_a_locked_state_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file stays behind if its lock is held by another program, and the log says so: no error ends the reader."""
    earlier = left_behind(path)
    with FileLock(path.with_suffix(".lock")), CheckpointStore(path, lock_timeout_seconds=0.1) as store:
        assert store.job("talk.srt").progress().completed_chunks == 3
        store.close()
    assert path.with_suffix(".json").read_bytes() == earlier
    assert "stays behind" in caplog.text


@pytest.mark.usefixtures("minutes_later")
def test_reading_leaves_a_state_file_behind(path: Path) -> None:
    """A read-only open of a store writes no state file, also if a kill left the file behind."""
    earlier = left_behind(path)
    with CheckpointStore(path, read_only=True) as store:
        assert store.job("talk.srt").progress().completed_chunks == 3
    assert path.with_suffix(".json").read_bytes() == earlier
