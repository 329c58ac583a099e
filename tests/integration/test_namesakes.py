"""``talk`` and ``talk.db`` would share their state file and their locks: a folder has one of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import snapshot

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StoreRecovered, StoreTargetError
from checkpoint_store.state_file import exporting

from .manager_tools import loaded, old_state

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

PAIRS = [("talk", "talk.db"), ("talk.db", "talk"), ("talk.sqlite", "talk.sqlite.db")]


def make(path: Path) -> None:
    """Make a store that has a result."""
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, path.name)


@pytest.mark.slow_variants
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_second_of_two_namesakes_is_refused(tmp_path: Path, first: str, second: str) -> None:
    """A store whose state file belongs to its namesake is refused before it writes, with what to do."""
    make(tmp_path / first)
    before = snapshot(tmp_path)
    with pytest.raises(StoreTargetError, match=f"the store {first} is in the same folder.*give it another name"):
        CheckpointStore(tmp_path / second)
    assert snapshot(tmp_path) == before
    make(tmp_path / "other.db")


@pytest.mark.slow_variants
@pytest.mark.parametrize(("lost", "copy"), PAIRS)
def test_a_lost_store_comes_back_from_its_copy_of_the_other_name(tmp_path: Path, lost: str, copy: str) -> None:
    """What the refusal says brings back the newest results, and the tries that no state file has."""
    with CheckpointStore(tmp_path / lost) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        list(job.map(str, only=[0]))
        store.backup(tmp_path / copy)
        job.complete(1, "newer than the copy")
    (tmp_path / lost).unlink()
    with pytest.raises(
        StoreTargetError, match=f"if {copy} is a copy of a lost {lost}, rename {copy} to {lost}, and open"
    ):
        CheckpointStore(tmp_path / lost)
    (tmp_path / copy).rename(tmp_path / lost)
    with pytest.warns(StoreRecovered, match="knew of 2 completed chunks"):
        store = CheckpointStore(tmp_path / lost)
    with store:
        assert list(store.job("talk.srt").items()) == [(0, "0"), (1, "newer than the copy")]
        assert [attempt.chunk_index for attempt in store.job("talk.srt").attempts()] == [0]


def test_a_manager_meets_a_namesake(tmp_path: Path) -> None:
    """``StateManager`` refuses a state file that belongs to a store of another name, and names the shared files."""
    make(tmp_path / "talk")
    with pytest.raises(StoreTargetError, match=r"talk\.json, talk\.bak, talk\.lock, talk\.open"):
        StateManager(tmp_path / "talk.json").load()


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["talk", "talk.db"])
def test_two_namesakes_that_exist_are_parted(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Two existing namesakes can be opened, and the warning has the line that moves the results elsewhere."""
    for place in ("talk", "talk.db"):
        folder = tmp_path / f"folder of {place}"
        folder.mkdir()
        make(folder / place)
        (folder / place).rename(tmp_path / place)
    store = CheckpointStore(tmp_path / name)
    (warning,) = {text for text in caplog.messages if "and remove it here" in text}
    copy = warning.rpartition("store.backup('OTHER_FOLDER/")[2].partition("')")[0]
    (tmp_path / "other").mkdir()
    store.backup(tmp_path / "other" / copy)
    store.close()
    with CheckpointStore(tmp_path / "other" / name) as store:
        assert list(store.job("talk.srt").items()) == [(0, name)]


def test_a_file_that_is_no_store_is_no_namesake(tmp_path: Path) -> None:
    """The input is often called as the store is."""
    (tmp_path / "talk").write_text("a talk", encoding="utf-8")
    make(tmp_path / "talk.db")
    make(tmp_path / "talk.db")


def test_the_database_of_the_program_keeps_its_lock(tmp_path: Path, children: Children) -> None:
    """A program's own database that has the name of a namesake, and is open, keeps its lock when a store is opened."""
    with closing(sqlite3.connect(tmp_path / "talk")) as own:
        own.execute("PRAGMA journal_mode = WAL")
        own.execute("CREATE TABLE notes (note)")
        make(tmp_path / "talk.db")
        children.run("import sqlite3\nsqlite3.connect('talk').execute('SELECT * FROM notes').connection.close()")
        assert (tmp_path / "talk-wal").exists()  # the last connection to a database removes its WAL


# -- state files that differ in their suffix only


def begin(path: Path, file_name: str = "a.srt") -> None:
    """Begin a job with a manager, and do a chunk."""
    with StateManager(path) as manager:
        manager.save(ProcessingState(file_name=file_name, total_chunks=2, status="running"))
        manager.update_chunk_complete(0, path.name)


@pytest.mark.slow_variants
@pytest.mark.parametrize(("first", "second"), [("talk.en", "talk.de"), ("v1.0", "v1.1"), ("talk", "talk.srt")])
def test_two_state_files_of_two_inputs_do_not_share_a_store(tmp_path: Path, first: str, second: str) -> None:
    """The manager of the second state file is refused before it is given the job of the first, which goes on."""
    begin(tmp_path / first)
    before = snapshot(tmp_path)
    with StateManager(tmp_path / second) as manager:
        for use in (manager.load, manager.has_incomplete_job, lambda: manager.save(ProcessingState(total_chunks=2))):
            with pytest.raises(StoreTargetError, match=f"{first} is the state file of another job.*rename one of the"):
                use()
    assert snapshot(tmp_path) == before
    with StateManager(tmp_path / first) as manager:
        assert loaded(manager).results() == {0: first}


def test_the_second_of_two_state_files_that_were_kept_by_hand_is_left_alone(tmp_path: Path) -> None:
    """The store becomes that of the state file which is used first; the other is refused, and works elsewhere."""
    for name in ("talk.en", "talk.de"):
        (tmp_path / name).write_text(json.dumps(old_state(job_id=name)))
    for _ in range(2):
        with StateManager(tmp_path / "talk.en") as manager:
            assert loaded(manager).job_id == "talk.en"
        before = snapshot(tmp_path)
        with pytest.raises(StoreTargetError, match=r"talk\.en is the state file of another job"):
            StateManager(tmp_path / "talk.de").load()
        assert snapshot(tmp_path) == before
    (tmp_path / "talk.de").rename(tmp_path / "talk-de.json")
    assert loaded(StateManager(tmp_path / "talk-de.json")).job_id == "talk.de"


def test_the_archive_of_an_earlier_job_hinders_nobody(tmp_path: Path) -> None:
    """A manager goes on with its own job where a copy beside its state file shows another job of its store."""
    path = tmp_path / "run.state"
    begin(path)
    (tmp_path / "run.old").write_bytes(path.read_bytes())
    begin(path, "b.srt")
    with StateManager(path) as manager:
        job_id = loaded(manager).job_id
        assert json.loads((tmp_path / "run.old").read_bytes())["job_id"] != job_id
        manager.clear()
    with StateManager(path) as manager:
        assert manager.load() is None


def test_a_state_file_is_not_read_to_look_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An opening costs the same for a large state file, with or without a copy beside it."""
    path = tmp_path / "run.state"
    begin(path)
    monkeypatch.setattr(exporting, "job_shown_by", pytest.fail)
    for name in ("run.srt", "run.old"):
        (tmp_path / name).write_bytes(path.read_bytes() if name == "run.old" else b"1\n00:00 --> 00:01\n")
        with StateManager(path) as manager:
            assert loaded(manager).results() == {0: path.name}


@pytest.mark.parametrize("suffix", [".json", ".state"])
def test_a_copy_of_a_state_file_hinders_nobody(tmp_path: Path, suffix: str) -> None:
    """A copy, and a file of another kind, are passed over; beside a ``.json``, even the state of an earlier job."""
    path = tmp_path / f"talk{suffix}"
    begin(path)
    (tmp_path / "talk.orig").write_bytes(path.read_bytes())
    (tmp_path / "talk.srt").write_text("1\n00:00 --> 00:01\nwe choose\n")
    (tmp_path / "talk.csv").mkdir()
    if suffix == ".json":
        (tmp_path / "talk.old").write_text(json.dumps(old_state()))
    with StateManager(path) as manager:
        assert loaded(manager).results() == {0: path.name}
