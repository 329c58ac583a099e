"""A job knows how its text was read: an upgrade that reads better says so, and keeps what it can."""

from __future__ import annotations

import pytest

from checkpoint_store.cli.transcripts.reading import transcript
from checkpoint_store.cli.transcripts.reading.webvtt import read_webvtt

from .caption_files import srt, vtt
from .conftest import LOGGING_COMMAND, Folder

CUES = [f"Sentence number {number} says one thing and another." for number in range(6)]
SMALL = ("--chunk-size", "110", "--overlap", "0")


def halfway(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, misread: tuple[str, str] | None = ("number 5", "number 5,")
) -> list[str]:
    """Leave a half-done job of ``talk.vtt`` that an earlier version read; return the words of COMMAND.

    ``misread`` is how that version read the words, as the arguments of ``str.replace``; None: as this version does.
    """
    folder.write("talk.vtt", vtt(*CUES))
    command = folder.command("import sys; n = sys.stdin.read(); 'number 4' in n and sys.exit(1); print(n)")
    with monkeypatch.context() as patch:
        patch.setattr(transcript, "_READER_VERSION", 1)
        if misread is not None:
            form = transcript._FORMATS["WebVTT"]._replace(read=lambda text: read_webvtt(text.replace(*misread)))
            patch.setitem(transcript._FORMATS, "WebVTT", form)
        folder.run("run", "talk.vtt", *SMALL, *command, code=1)
    folder.command(LOGGING_COMMAND)
    return command


def test_the_reader_is_in_the_config(folder: Folder) -> None:
    """The config of a job of captions names the version of the reader; plain text has none."""
    folder.write("talk.srt", srt("One."))
    folder.write("notes.txt", "One.")
    folder.run("run", "talk.srt", "--", "cat")
    assert folder.json("show")["config"]["reader"] == "SRT 2"
    folder.run("run", "notes.txt", "--", "cat")
    assert "reader" not in folder.json("show")["config"]


def test_a_half_done_job_that_is_read_better_now_says_so(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-done job whose file is read better now is refused with these words, and nothing is done."""
    command = halfway(folder, monkeypatch)
    refused = folder.run("run", "talk.vtt", *SMALL, *command, code=2).stderr
    assert "this version reads the file better (reader 'WebVTT 2', before 'WebVTT 1')" in refused
    assert "--on-change reuse    keeps the results of 2 chunks whose text is as it was" in refused
    assert folder.calls() == []


@pytest.mark.slow
def test_reuse_keeps_what_was_read_the_same(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk whose text is as it was is not paid for again."""
    command = halfway(folder, monkeypatch)
    folder.run("run", "talk.vtt", "--on-change", "reuse", *SMALL, *command)
    assert len(folder.calls()) == 1
    assert folder.read("talk.cleaned.txt").casefold().split() == " ".join(CUES).casefold().split()


@pytest.mark.slow_variants
@pytest.mark.parametrize("choice", ["refuse", "reuse"])
def test_a_half_done_job_that_is_read_the_same_now_goes_on(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """The reader of another version read the same words: the same line goes on with the job, and asks for nothing."""
    command = halfway(folder, monkeypatch, misread=None)
    words = ("talk.vtt", "--on-change", choice, *SMALL, *command)
    assert [plan["action"] for plan in folder.json("plan", *words)["plans"]] == ["resume"]
    folder.run("run", *words)
    assert len(folder.calls()) == 1
    assert [job["status"] for job in folder.json("list")["jobs"]] == ["completed"]


def read_as_text(folder: Folder, monkeypatch: pytest.MonkeyPatch, code: int) -> list[str]:
    """Leave a job of ``talk.txt`` by an earlier version, which read the times as text; return the words of COMMAND."""
    folder.write("talk.txt", "\n".join(f"Ana  0:0{number}\n{cue}\n" for number, cue in enumerate(CUES)))
    at_4 = "'number 4' in n and sys.exit(1); " if code else ""
    command = folder.command(f"import sys; n = sys.stdin.read(); {at_4}print(n)")
    with monkeypatch.context() as patch:
        patch.setattr(transcript, "without_time_lines", lambda _: None)
        folder.run("run", "talk.txt", *SMALL, *command, code=code)
    folder.command(LOGGING_COMMAND)
    return command


@pytest.mark.slow
def test_a_half_done_job_of_a_text_with_times_goes_on_as_plain_text(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version read it as plain text; no chunk is paid for twice."""
    command = read_as_text(folder, monkeypatch, 1)
    assert "talk.txt: its job reads it as plain text" in folder.run("run", "talk.txt", *SMALL, *command).stderr
    assert [call.partition("\n")[0] for call in folder.calls()] == ["Ana  0:04", "Ana  0:05"]
    assert "reader" not in folder.json("show")["config"]


@pytest.mark.slow
def test_only_names_the_chunks_of_a_job_as_the_job_reads_them(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading of this version has fewer chunks: the last chunk of the job can be named, and the one behind it not."""
    command = read_as_text(folder, monkeypatch, 1)
    words = ("run", "talk.txt", *SMALL, "--only")
    refused = folder.run(*words, "6", *command, code=2).stderr
    assert "has the chunks 0 to 5, and no chunk 6" in " ".join(refused.split())
    folder.run(*words, "5", *command)
    assert [call.partition("\n")[0] for call in folder.calls()] == ["Ana  0:05"]


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["refuse", "reuse", "restart"])
def test_a_complete_job_of_a_text_with_times_stays_complete(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """A script that runs each night pays for nothing again after an upgrade, whatever it does with a changed file."""
    command = read_as_text(folder, monkeypatch, 0)
    words = ("talk.txt", "--on-change", choice, *SMALL, *command)
    assert [plan["action"] for plan in folder.json("plan", *words)["plans"]] == ["complete"]
    folder.run("run", *words)
    assert folder.calls() == []


@pytest.mark.slow
def test_fresh_reads_a_text_with_times_as_this_version_does(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants the better reading has it."""
    command = read_as_text(folder, monkeypatch, 0)
    folder.run("run", "talk.txt", "--fresh", *SMALL, *command)
    assert folder.json("show")["config"]["reader"] == "Text with times 2"


@pytest.mark.slow
def test_a_changed_text_with_times_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed text that is read in a new way is refused with the option that reads it as before."""
    command = read_as_text(folder, monkeypatch, 0)
    folder.write("talk.txt", f"{folder.read('talk.txt')}\nAna  0:09\nMore.\n")
    refused = folder.run("run", "talk.txt", *SMALL, *command, code=2).stderr
    assert "was read as plain text, and is read as 'Text with times 2' now; --plain-text reads it as before" in refused
    assert folder.calls() == []


def test_a_job_that_began_without_plain_text_says_so(folder: Folder) -> None:
    """The option is named as a change of the reading."""
    folder.write("talk.srt", srt("One."))
    folder.run("run", "talk.srt", "--", "cat")
    refused = folder.run("run", "talk.srt", "--plain-text", "--", "cat", code=2).stderr
    assert "the file was read as 'SRT 2', and is read as plain text now" in refused


def test_another_format_under_the_same_name_is_said_to_be_one(folder: Folder) -> None:
    """The words do not blame the reader for it."""
    folder.write("talk.srt", srt("One."))
    folder.run("run", "talk.srt", "--", "cat")
    folder.write("talk.srt", vtt("Two."))
    refused = folder.run("run", "talk.srt", "--", "cat", code=2).stderr
    assert "the file was read as 'SRT 2', and is read as 'WebVTT 2' now" in refused
