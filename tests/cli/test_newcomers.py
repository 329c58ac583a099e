"""What a newcomer types, and what helps then: each message says what to do, and the line in it can be typed."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, StoreBusy, StoreTargetError, recover_store
from checkpoint_store.storage.checks import integrity

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase

    from .conftest import Folder

BEGIN = "; begin one with: checkpoint-store run FILE, or name another with --store"
ANOTHER = "; name another store with --store"


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")


@pytest.mark.parametrize(
    ("make", "ending"),
    [
        (lambda path: path.touch(), f"it is empty, and a command that reads creates nothing{BEGIN}"),
        (lambda path: path.write_text("notes"), f"(file is not a database){ANOTHER}"),
        (of_another_program, f"it is a SQLite database of another program{ANOTHER}"),
        (os.mkfifo, f"it is not a regular file{ANOTHER}"),
        (os.mkdir, "it is a folder; give the path of a file in it"),
    ],
    ids=["empty", "text", "another program", "pipe", "folder"],
)
def test_what_is_no_store_is_told_with_what_helps(folder: Folder, make: object, ending: str) -> None:
    """A file that is no store is named with what helps; beginning a store is offered only if ``run`` would begin it."""
    assert callable(make)
    make(folder.path / ".processing_state.db")
    assert folder.run("list", code=2).stderr.rstrip().endswith(ending)


@pytest.mark.parametrize("store", ["lecture.txt/x.db", "x" * 300, ":memory:"])
def test_no_store_is_begun_where_none_can_be(lecture: Folder, store: str) -> None:
    """The message offers no line that would be refused in the same words."""
    assert "begin one with" not in lecture.run("list", "--store", store, code=2).stderr


def test_resume_without_any_job_says_how_to_begin(folder: Folder) -> None:
    """A store without a job has nothing complete: exit 2, as every command about the newest job."""
    with CheckpointStore(folder.path / ".processing_state.db"):
        pass
    assert "has no job yet; begin one with: checkpoint-store run FILE" in folder.run("resume", code=2).stderr
    assert folder.json("resume", code=2)["type"] == "ClickException"


@each_case(
    ("words", "says"),
    [
        (("run", "lecture.txt", "--workers", "0"), "'--workers': 0 is no whole number from 1."),
        (("run", "lecture.txt", "--workers", "many"), "'--workers': many is no whole number from 1."),
        (("run", "lecture.txt", "--overlap", "20001"), "'--overlap': 20001 is no whole number from 0 to 20,000."),
        (("list", "--limit", "1.5"), "'--limit': 1.5 is no whole number from 1."),
        (("prune", "--keep-last", "-1"), "'--keep-last': -1 is no whole number from 0."),
        (("prune", "--older-than", "soon"), "'--older-than': soon is no number of days from 0 to 365,000."),
    ],
)
def test_a_number_that_is_none_is_told_in_words(lecture: Folder, words: tuple[str, ...], says: str) -> None:
    """The message has the option, what was typed, and what it takes."""
    assert lecture.run(*words, code=2).stderr.rstrip().endswith(f"Invalid value for {says}")


def test_who_imports_a_text_is_told_of_run(lecture: Folder) -> None:
    """Import takes a state file; the line that works on the text can be typed."""
    said = lecture.run("import", "lecture.txt", code=2).stderr.rstrip()
    assert "lecture.txt is no state file, such as export writes; to work on the text in it: checkpoint-store" in said
    lecture.run(*said.partition(": checkpoint-store ")[2].split())
    assert lecture.read("lecture.cleaned.txt")


@pytest.mark.parametrize("name", [".s.json.corrupt-20260101", "state.backup", "talk.txt"])
def test_who_imports_a_torn_state_file_is_not_told_of_run(folder: Folder, name: str) -> None:
    """Nobody pays to have what is left of a state file cleaned."""
    folder.write(name, '{"version": "1.0", "job_id": "torn')
    said = folder.run("import", name, code=2).stderr
    assert name in said
    assert "to work on the text" not in said


@pytest.fixture
def unreadable(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A store that its user may not read, with copies that may be read. Root may read everything."""
    lecture.run("run", "lecture.txt")
    store = str(lecture.path / ".processing_state.db")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != store and access(path, mode))
    return lecture


def test_a_store_that_may_not_be_read_is_not_recovered(unreadable: Folder) -> None:
    """``recover`` leaves a store alone that it has no permission to read: the store may be sound."""
    before = unreadable.files()
    said = unreadable.run("recover", "--accept-loss", code=2).stderr
    assert said.rstrip().endswith("no permission to read this file; make it readable (chmod 0600)")
    assert unreadable.files() == before
    with pytest.raises(StoreTargetError, match="no permission to read"):
        recover_store(unreadable.path / ".processing_state.db", accept_loss=True)


def test_the_doctor_prescribes_no_recovery_for_it(unreadable: Folder) -> None:
    """What helps is the permission."""
    (finding,) = (one for one in unreadable.json("doctor", code=1) if one["what"] == "contents")
    assert (finding["says"], finding["remedy"]) == ("no permission to read this file", "make it readable (chmod 0600)")


def test_a_copy_that_may_not_be_read_is_no_loss_by_itself(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is gone, and the state file may have more than the backup: it is left out only where told so."""
    lecture.run("run", "lecture.txt")
    (lecture.path / ".processing_state.db").unlink()
    state, access = str(lecture.path / ".processing_state.json"), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != state and access(path, mode))
    assert "no permission to read this file" in lecture.run("recover", code=2).stderr


def test_the_doctor_knows_the_file_of_another_program(folder: Folder) -> None:
    """``doctor`` recognizes the database of another program, and prescribes no recovery for it."""
    of_another_program(folder.path / ".processing_state.db")
    (finding,) = (one for one in folder.json("doctor", code=1) if one["what"] == "contents")
    assert finding["says"] == "it is a SQLite database of another program"
    assert finding["remedy"].startswith("name another file. If it was a store, move it away, and bring the store back")


def test_the_doctor_prescribes_no_recovery_of_a_newer_store(folder: Folder) -> None:
    """``recover`` would refuse it; a newer version of the package is what helps."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.txt", total_chunks=1)
    with closing(sqlite3.connect(folder.path / ".processing_state.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '99.0'")
    (finding,) = (one for one in folder.json("doctor", code=1) if one["level"] == "problem")
    assert (finding["what"], finding["remedy"]) == ("schema", "pip install --upgrade checkpoint-store")
    assert finding["says"].startswith("99.0, newer than ")


def test_the_doctor_prescribes_no_recovery_of_a_store_that_it_cannot_read_now(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is in use, or whose disk does not answer, is not damaged for that."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.txt", total_chunks=1)

    def busy(database: ReadOnlyDatabase, *_: object) -> None:
        raise StoreBusy(database.path, 10.0)

    monkeypatch.setattr(integrity, "check", busy)
    (finding,) = (one for one in folder.json("doctor", code=1) if one["level"] == "problem")
    assert "was kept locked by another process" in finding["says"]
    assert finding["remedy"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\xff", "is not UTF-16 text"),
        (b"%PDF-1.7", "is a PDF"),
        (b"a\0b", "is not a text file"),
    ],
)
def test_a_message_names_standard_input(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, text: bytes, says: str
) -> None:
    """A dash at the beginning of a message says nothing to whoever does not know it."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert f"checkpoint-store: standard input {says}" in folder.run("run", "-", code=2).stderr
