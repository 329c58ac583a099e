"""The command speaks of options and commands, the library of calls and arguments."""

from __future__ import annotations

import ast
import re
from shlex import quote
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, errors
from checkpoint_store.cli.messages import message_of, spoken
from tests.cli.conftest import ROOT, SIX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Folder

_PYTHON = re.compile(r"\w+=(True|False)|lock_timeout_seconds|max_cost\b(?<!--)|\b(job|store)\.\w+\(|CheckpointStore\(")
_COMMAND = re.compile(r"checkpoint-store (run|list|show|recover|migrate|retry|release|prune|backup|export|doctor)\b")
PATH = "a folder/it's.db"
QUOTED = "'a folder/it'\"'\"'s.db'"


def _texts(path: Path) -> list[str]:
    """Return the text literals of a source file, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    return [node.value for node in nodes if isinstance(node.value, str)]


def test_notes_are_printed() -> None:
    """A note says where a result is that was paid for and not recorded: the command leaves it out of no error."""
    error = errors.StorageFullError("talk.db", "database or disk is full", 0)
    error.add_note("The results of chunk 3 of job 1 are not recorded yet, and kept in /tmp/talk.db.unrecorded-0.")
    told = message_of(error)
    assert told.endswith("kept in /tmp/talk.db.unrecorded-0.")
    assert "Make room and run the command again" in told


@pytest.mark.slow
def test_the_library_sends_nobody_to_the_command() -> None:
    """Who calls the library may not have the command: a message names the call that helps."""
    rooms = [path for path in (ROOT / "checkpoint_store").rglob("*.py") if path.parts[-2] != "cli"]
    rooms = [path for path in rooms if "cli" not in path.relative_to(ROOT).parts]
    assert len(rooms) > 100
    speaking = [path for path in rooms if "checkpoint-store" in path.read_text(encoding="utf-8")]
    found = [f"{path.name}: {text}" for path in speaking for text in _texts(path) if _COMMAND.search(text)]
    assert found == []


@each_case(
    ("error", "says"),
    [
        (errors.StoreBusy(PATH, 10.0), "Nothing was written; run the command again."),
        (errors.StoreInUse(PATH, 0.0, [7]), "end it first, and run the command again"),
        (errors.StoreDamaged(PATH, "torn"), f"checkpoint-store recover --store {QUOTED}"),
        (errors.SchemaTooOld(PATH, "1.0", "1.4"), f"checkpoint-store migrate --store {QUOTED}"),
        (errors.JobNotFound("abc", PATH), f"checkpoint-store list --store {QUOTED}"),
        (errors.JobBusy("abc", 1, "here", "now", 3), "checkpoint-store release abc --runner 3"),
        (errors.ChunkFailed("abc", 2, "chunk 1: no"), "checkpoint-store retry abc; then run the job again"),
        (
            errors.CostUnknown("abc", 1, 0, field="cost", value=None),
            "with --cost FIELD, or run the job again without --max",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_remedy_of_the_library_becomes_a_command_line(error: Exception, says: str) -> None:
    """A person in a shell reads what to type there, with the path quoted; no argument of Python is left."""
    assert says in spoken(str(error))
    assert _PYTHON.search(spoken(str(error)).replace("--max_cost", "")) is None


@each_case("name", ["config.size (tokens)", "config.it's", "config.$HOME", 'config."a", (b)'])
def test_a_name_of_a_setting_is_one_word_of_the_line(name: str) -> None:
    """Whatever letters a key of the config has, the line can be typed, and the message does not fail."""
    told = spoken(f"take it up: on_change='reuse', reuse_ignoring={(name, 'chunks')!r}; or not (x)")
    options = f"--on-change reuse --reuse-ignoring {quote(name)} --reuse-ignoring chunks"
    assert told == f"take it up: {options}; or not (x)"
    assert spoken(f"reuse_ignoring={name!r} is none") == f"--reuse-ignoring {quote(name)} is none"


@pytest.mark.slow
def test_a_file_in_the_way_names_the_option(lecture: Folder) -> None:
    """``--force``, and not ``replace=True``, wherever a file is not replaced."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    lecture.write("mine.txt", "of somebody")
    for words in (("backup", "mine.txt"), ("export", "lecture.txt", "mine.txt")):
        said = lecture.run(*words, code=2).stderr
        assert "--force" in said
        assert "replace" not in said.partition(": ")[2].replace("replaced", "")
    assert lecture.read("mine.txt") == "of somebody"


def test_an_empty_store_is_said_without_python(folder: Folder) -> None:
    """A person who reads an empty file is told so, and of no ``read_only=True``."""
    folder.write("empty.db", "")
    said = folder.run("show", "--store", "empty.db", code=2).stderr
    assert "it is empty" in said
    assert "read_only" not in said


def test_the_doctor_prescribes_commands(folder: Folder) -> None:
    """Each remedy can be typed, also in the document."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("a.txt", chunks=["a"])
        for backup in folder.path.glob("*.backup-*"):
            backup.unlink()
        (finding,) = (one for one in folder.json("doctor") if one["what"] == "backups")
    assert finding["level"] == "warning"
    assert finding["remedy"] == f"make one now: checkpoint-store backup DEST --store {quote(str(store.path))}"


@pytest.mark.slow
def test_an_unknown_schema_names_the_option(lecture: Folder) -> None:
    """The error names ``--to``, as it was typed."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    assert "--to 9 is not a schema; the schemas are 1.0" in lecture.run("migrate", "--to", "9", code=2).stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "lecture.txt", "--title", "a\udcff"), "--title 'a"),
        (("run", "lecture.txt", "--model", "a\udcff", "--", "cat"), "--model 'a"),
        (("report", "--follow", "--every", "1e300"), "--every 1e+300 is no number of seconds above 0"),
        (("report", "--input", "no.json"), "--input: the file for lecture.txt has 0 chunks for a job of 6"),
    ],
    ids=lambda value: value[-2] if isinstance(value, tuple) else "",
)
def test_a_value_that_is_refused_is_that_of_an_option(lecture: Folder, words: tuple[str, ...], says: str) -> None:
    """The error names the option, as it was typed, and no argument of a call."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    lecture.write("no.json", "[]")
    said = lecture.run(*words, code=2).stderr
    assert said.startswith(f"checkpoint-store: {says}")
    assert _PYTHON.search(said) is None
