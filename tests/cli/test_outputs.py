"""The output of run: it replaces what it wrote itself for the same input, and no other file, unless it is told to."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import pytest
from conftest import program

from .conftest import SIX, Folder

if TYPE_CHECKING:
    from pathlib import Path

NOTES = "My own notes.\n"
SRT = "1\n00:00:01,000 --> 00:00:03,000\nEnglish words.\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nDeutsche Worte.\n"
# Adds to the output while the run is at work.
MEDDLING = program(__file__, "meddling")


@pytest.fixture
def lecture(folder: Folder) -> Folder:
    """A transcript of six paragraphs, which are six chunks with SIX."""
    folder.write("lecture.txt", "\n\n".join(f"Paragraph {index} says one thing and another." for index in range(6)))
    return folder


@pytest.mark.parametrize("output", [[], ["--output", "notes.txt"]])
def test_a_first_run_replaces_nothing_and_pays_for_nothing(lecture: Folder, output: list[str]) -> None:
    """A file made by hand is refused before the first call, whether its name is the default or was given."""
    name = output[-1] if output else "lecture.cleaned.txt"
    lecture.write(name, NOTES)
    done = lecture.run("run", "lecture.txt", *SIX, *output, *lecture.command(), code=2)
    assert f"{name} is there, and was not made from lecture.txt here" in done.stderr
    assert "--output" in done.stderr
    assert "--force" in done.stderr
    assert (lecture.read(name), lecture.calls()) == (NOTES, [])
    assert not (lecture.path / ".processing_state.db").exists()


def test_force_replaces_it(lecture: Folder) -> None:
    """An output that ``--force`` has replaced is known from then on, and a later run replaces it without the option."""
    lecture.write("lecture.cleaned.txt", NOTES)
    words = ("run", "lecture.txt", *SIX)
    lecture.run(*words, "--force", *lecture.command())
    lecture.path.joinpath("lecture.cleaned.txt").unlink()
    lecture.run(*words, *lecture.command())
    lecture.run(*words, "--fresh", *lecture.command())
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


def test_the_line_to_go_on_has_force_in_it(lecture: Folder) -> None:
    """The line that goes on has ``--force`` if it was typed."""
    lecture.write("lecture.cleaned.txt", NOTES)
    done = lecture.run("run", "lecture.txt", "--force", *lecture.command("raise SystemExit(3)"), code=1)
    assert "run lecture.txt --force --" in done.stderr


@pytest.mark.slow
def test_two_inputs_of_one_stem_keep_their_texts_apart(folder: Folder) -> None:
    """``talk.vtt`` does not replace what ``talk.srt`` gave, and ``talk.srt`` gives out no other text as its own."""
    folder.write("talk.srt", SRT)
    folder.write("talk.vtt", VTT)
    folder.run("run", "talk.srt")
    assert "was not made from talk.vtt here" in folder.run("run", "talk.vtt", code=2).stderr
    assert folder.read("talk.cleaned.txt") == "English words.\n"
    folder.run("run", "talk.vtt", "--force")
    assert folder.read("talk.cleaned.txt") == "Deutsche Worte.\n"
    done = folder.run("run", "talk.srt")
    assert "edited since it was written" in done.stderr
    assert folder.read("talk.cleaned.txt") == "Deutsche Worte.\n"
    folder.run("run", "talk.srt", "--force")
    assert folder.read("talk.cleaned.txt") == "English words.\n"


def test_a_complete_job_does_not_vouch_for_another_file(folder: Folder) -> None:
    """Nothing is left to do, and what is there was never its output: refused, and not called its text."""
    folder.write("talk.srt", SRT)
    folder.run("run", "talk.srt", "--output", "elsewhere.txt")
    folder.write("talk.cleaned.txt", NOTES)
    assert "was not made from talk.srt here" in folder.run("run", "talk.srt", code=2).stderr
    assert folder.read("talk.cleaned.txt") == NOTES


def test_an_edited_output_is_refused_before_new_work_and_kept_without(lecture: Folder) -> None:
    """A person's work on it is lost neither way; the message says both ways on."""
    words = ("run", "lecture.txt", *SIX)
    lecture.run(*words, *lecture.command())
    lecture.write("lecture.cleaned.txt", "corrected by hand\n")
    report = lecture.json(*words, *lecture.command())
    assert (report["jobs"][0]["output_written"], report["jobs"][0]["output_edited"]) == (False, True)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2"))
    done = lecture.run(*words, "--on-change", "reuse", *lecture.command(), code=2)
    assert "was edited since it was written; name another file with --output, or replace it with --force" in done.stderr
    assert (lecture.read("lecture.cleaned.txt"), len(lecture.calls())) == ("corrected by hand\n", 6)
    assert len(lecture.json("list")["jobs"]) == 1


def test_a_change_of_plan_is_said_first(lecture: Folder) -> None:
    """Who is to choose between reuse and restart is not asked about the output yet."""
    lecture.run("run", "lecture.txt", *SIX, "--model", "one")
    lecture.write("lecture.cleaned.txt", NOTES)
    assert "--on-change reuse" in lecture.run("run", "lecture.txt", *SIX, "--model", "two", code=2).stderr


@pytest.mark.slow
def test_the_text_of_an_earlier_job_of_the_input_is_replaced(lecture: Folder) -> None:
    """A run replaces the output of an earlier job of its input, even if the store noted no output."""
    lecture.run("run", "lecture.txt", *SIX)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2"))
    lecture.run("run", "lecture.txt", *SIX, "--on-change", "reuse")
    assert "Passage 2" in lecture.read("lecture.cleaned.txt")
    lecture.path.joinpath(".processing_state.outputs").unlink()
    lecture.run("run", "lecture.txt", *SIX)  # equal to its results: known again
    lecture.run("run", "lecture.txt", *SIX, "--fresh")
    lecture.path.joinpath(".processing_state.outputs").unlink()
    assert "was not made from" in lecture.run("run", "lecture.txt", *SIX, "--fresh", code=2).stderr


def test_what_changes_while_it_runs_is_not_replaced(lecture: Folder) -> None:
    """Every result is safe, and the error says so; --output then costs nothing."""
    done = lecture.run("run", "lecture.txt", *lecture.command(MEDDLING), code=2)
    assert "Every result is safe" in done.stderr
    assert lecture.read("lecture.cleaned.txt") == "mine"
    lecture.run("run", "lecture.txt", "--output", "other.txt", *lecture.command(MEDDLING))
    assert (lecture.read("other.txt"), lecture.read("lecture.cleaned.txt")) == ("x\n", "mine")


def test_an_empty_file_is_nobodys(lecture: Folder) -> None:
    """An empty file, as ``mktemp`` makes one, is taken as the output."""
    lecture.write("out.txt", "")
    lecture.run("run", "lecture.txt", "--output", "out.txt")
    assert lecture.read("out.txt").startswith("Paragraph 0")


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "name",
    [
        ".db.unrecorded-0123456789ab",
        ".outputs",
        ".db",
        ".json",
        ".bak",
        ".lock",
        ".open",
        ".db-wal",
        ".db.backup-1.1-1",
    ],
)
@pytest.mark.parametrize("option", ["--output", "--joblog"])
def test_the_output_is_never_put_over_the_store(lecture: Folder, option: str, name: str) -> None:
    """A run puts neither its output nor its job log over a file of the store, not even with --force."""
    lecture.run("run", "lecture.txt", *SIX)
    done = lecture.run("run", "lecture.txt", option, f".processing_state{name}", "--force", code=2)
    assert re.search(r"belongs to the store|is there, and is no job log", done.stderr)
    assert len(lecture.json("list")["jobs"]) == 1
    assert lecture.json("check")["sound"]


@pytest.mark.slow
def test_what_was_written_is_noted_beside_the_store(lecture: Folder) -> None:
    """0600, by the path from the store's folder, no text in it; a torn line, or one of another kind, is passed over."""
    lecture.run("run", "lecture.txt", *SIX)
    notes: Path = lecture.path / ".processing_state.outputs"
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    assert '["lecture.cleaned.txt", "lecture.txt", "' in notes.read_text()
    assert "Paragraph" not in notes.read_text()
    with notes.open("a") as file:
        file.write('{"a": 1}\n[1, 2, 3]\nnull\n["lecture.cle')
    lecture.run("run", "lecture.txt", *SIX, "--fresh")
    lecture.write("lecture.txt", "Another text.")
    lecture.run("run", "lecture.txt", *SIX, "--fresh")
    moved = Folder(lecture.path.rename(lecture.path.with_name("moved")))
    moved.run("run", "lecture.txt", *SIX, "--fresh")
    assert moved.read("lecture.cleaned.txt") == "Another text.\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [["backup", "thesis.txt"], ["export", "JOB", "thesis.txt"]])
def test_backup_and_export_replace_no_other_file_unless_they_are_told_to(lecture: Folder, words: list[str]) -> None:
    """``backup`` and ``export`` refuse another file, and say which option replaces it."""
    lecture.run("run", "lecture.txt", *SIX)
    job = lecture.json("list")["jobs"][0]["job_id"]
    words = [job if word == "JOB" else word for word in words]
    lecture.write("thesis.txt", NOTES)
    assert "--force" in lecture.run(*words, code=2).stderr
    assert lecture.read("thesis.txt") == NOTES
    lecture.run(*words, "--force")
    lecture.run(*words)  # an earlier one of the same
    assert lecture.path.joinpath("thesis.txt").read_bytes() != NOTES.encode()
