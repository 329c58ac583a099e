"""``checkpoint-store run``: what it records, what it writes, and what it never does twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store.cli.transcripts.clean import cleaned

from .conftest import SAMPLE, SIX, Folder


def recorded(folder: Folder, job_id: str = "") -> list[dict[str, object]]:
    """Return the results that the store has."""
    job = job_id or folder.json("list")["jobs"][0]["job_id"]
    return [item["result"] for item in folder.json("results", job)]


# -- the main job


def test_the_sample_is_cleaned_offline(folder: Folder) -> None:
    """The README's first command cleans the real lecture as the whole would be cleaned."""
    shutil.copy(SAMPLE, folder.path)
    done = folder.run("run", SAMPLE.name)
    text = folder.read("rice-university-1962.cleaned.txt")
    assert text.split() == cleaned(SAMPLE.read_text(), "en").text.split()
    assert done.stdout == ""
    assert "8 chunks done" in done.stderr


def test_nothing_but_the_output_and_the_store_is_left(lecture: Folder) -> None:
    """Every file that a run leaves is one that .gitignore names."""
    lecture.run("run", "lecture.txt")
    left = lecture.files() - {"lecture.txt"}
    assert {name for name in left if not name.startswith(".processing_state.")} == {"lecture.cleaned.txt"}


def test_each_chunk_goes_to_the_command_once_and_in_order(lecture: Folder) -> None:
    """COMMAND has each chunk on stdin; what it prints is recorded and joined."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    text = lecture.read("lecture.txt")
    assert lecture.calls() == text.split("\n\n")
    assert lecture.read("lecture.cleaned.txt") == text.upper() + "\n"
    assert [result["chunk_index"] for result in recorded(lecture)] == list(range(6))


@pytest.mark.slow
def test_a_result_says_what_it_took(lecture: Folder) -> None:
    """Text, time and sizes are recorded, and nothing else."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    first = recorded(lecture)[0]
    assert list(first) == ["chunk_index", "cleaned_text", "seconds", "characters_in", "characters_out"]
    assert (first["cleaned_text"], first["characters_in"]) == ("PARAGRAPH 0 SAYS ONE THING AND ANOTHER.", 39)


@pytest.mark.slow
def test_a_json_answer_is_recorded_whole(lecture: Folder) -> None:
    """Costs and tokens of an LLM client are kept and added up; the chunk's index is the store's own."""
    answer = '{"cleaned_text": "Yes.", "cost": 0.25, "input_tokens": 7, "notes": ["a"], "chunk_index": 99}'
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(f"print({answer!r})"))
    assert [result["chunk_index"] for result in recorded(lecture)] == list(range(6))
    assert recorded(lecture)[0]["notes"] == ["a"]
    assert lecture.json("show")["totals"] | {"seconds": 0} == {
        "cost": 1.5,
        "input_tokens": 42,
        "seconds": 0,
        "characters_in": 234,
        "characters_out": 24,
    }


def test_the_plan_is_recorded(lecture: Folder) -> None:
    """Who cleaned what, how, is in the job."""
    words = ("--title", "A talk", "--model", "m-1", "--provider", "p", "--language", "de", *SIX)
    lecture.run("run", "lecture.txt", *words, *lecture.command())
    job = lecture.json("show")
    assert (job["video_title"], job["model"], job["provider"]) == ("A talk", "m-1", "p")
    command = [sys.executable, "-S", "command.py"]
    assert job["config"] == {"chunk_size": 60, "overlap": 0, "language": "de", "cleaner": command}


@pytest.mark.slow_variants
@pytest.mark.parametrize(("chunk_size", "overlap"), [(2000, 200), (500, 250), (100, 10), (37, 5)])
def test_cat_gives_the_transcript_back(folder: Folder, chunk_size: int, overlap: int) -> None:
    """What stood between the chunks stands between their answers."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    folder.run("run", "talk.txt", "--chunk-size", chunk_size, "--overlap", overlap, "--", "cat")
    assert folder.read("talk.cleaned.txt") == SAMPLE.read_text()


def test_subtitles_are_cleaned(folder: Folder) -> None:
    """``run`` cleans the words of an .srt file, and writes text."""
    folder.write(
        "talk.srt", "1\n00:00:00,000 --> 00:00:02,000\nUm, we choose\n\n2\n00:00:02,000 --> 00:00:03,000\nto go.\n"
    )
    folder.run("run", "talk.srt")
    assert folder.read("talk.cleaned.txt") == "We choose to go.\n"


@pytest.mark.slow
def test_a_command_that_does_not_read_is_no_error(folder: Folder) -> None:
    """A chunk larger than any pipe, and a program that closes its end at once."""
    folder.write("long.txt", "word " * 200_000)
    folder.run("run", "long.txt", "--chunk-size", 2_000_000, *folder.command("print('short')"))
    assert folder.read("long.cleaned.txt") == "short\n"


def test_what_a_command_says_on_stderr_is_shown(lecture: Folder) -> None:
    """What COMMAND writes to stderr appears on the user's stderr, and is no part of the text."""
    source = "import sys; sys.stderr.write('[b]slow[/b] today\\n'); print('x')"
    done = lecture.run("run", "lecture.txt", *lecture.command(source))
    assert "[b]slow[/b] today" in done.stderr


# -- again


def test_a_second_run_spends_nothing(lecture: Folder) -> None:
    """Nothing is left: COMMAND is not called, and the output is written only where it is missing."""
    words = ("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run(*words)
    lecture.path.joinpath("lecture.cleaned.txt").unlink()
    done = lecture.run(*words)
    assert len(lecture.calls()) == 6
    assert "nothing left to do" in done.stderr
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


def test_an_output_edited_since_is_left_alone(lecture: Folder) -> None:
    """A run that does nothing new does not undo a person's work on its output."""
    lecture.run("run", "lecture.txt")
    path = lecture.write("lecture.cleaned.txt", "edited by hand\n")
    for moment in (path.stat().st_mtime + 60, 1_000_000_000):  # by its content, whenever that was
        os.utime(path, (moment, moment))
        assert "edited since it was written, and left as it was" in lecture.run("run", "lecture.txt").stderr
    assert lecture.read("lecture.cleaned.txt") == "edited by hand\n"


def test_an_output_older_than_the_results_is_written(lecture: Folder) -> None:
    """A run that was killed between its last result and its output is made good by the next."""
    lecture.run("run", "lecture.txt")
    earlier = lecture.read("lecture.cleaned.txt")
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2"))
    lecture.run("run", "lecture.txt", "--on-change", "restart")
    lecture.write("lecture.cleaned.txt", earlier)
    lecture.run("run", "lecture.txt")
    assert "Passage 2" in lecture.read("lecture.cleaned.txt")


@pytest.mark.slow
def test_the_folder_that_it_is_called_from_makes_no_difference(lecture: Folder) -> None:
    """One file is one job, by whatever path it is named."""
    inner = lecture.path / "inner"
    inner.mkdir()
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    shutil.copy(lecture.path / "command.py", inner)
    Folder(inner).run(
        "run", "../lecture.txt", "--store", "../.processing_state.db", *SIX, "--", sys.executable, "-S", "command.py"
    )
    assert len(lecture.json("list")["jobs"]) == 1
    assert len(lecture.calls()) == 6


def test_the_store_may_be_named_by_the_environment(lecture: Folder) -> None:
    """CHECKPOINT_STORE is where --store is not given."""
    lecture.run("run", "lecture.txt", CHECKPOINT_STORE="talks.db")
    assert {"talks.db", "talks.json"} <= lecture.files()
    assert ".processing_state.db" not in lecture.files()


# -- when something is wrong


FAILS_ONCE = program(__file__, "fail_at_third")


def test_a_failing_command_fails_the_job_and_the_same_line_goes_on(lecture: Folder) -> None:
    """Exit 1, the reason and the end of its stderr are shown and kept; then only the rest is done."""
    words = ("run", "lecture.txt", *SIX, *lecture.command(FAILS_ONCE))
    done = lecture.run(*words, code=1)
    assert "chunk 3: " in done.stderr
    assert "ended with exit code 7" in done.stderr
    assert "line 19" in done.stderr
    assert "line 2\n" not in done.stderr
    assert "3 of 6 chunks done and safe" in done.stderr
    job = lecture.json("show")
    assert (job["status"], job["completed_chunks"]) == ("failed", 3)
    assert job["error_message"].startswith("chunk 3: ")
    assert "lecture.cleaned.txt" not in lecture.files()
    lecture.write("mended", "")
    lecture.run(*words)
    assert [call[10] for call in lecture.calls()] == ["0", "1", "2", "3", "3", "4", "5"]
    assert lecture.json("show")["error_message"] is None


def test_the_line_to_go_on_can_be_typed_as_it_is(folder: Folder) -> None:
    """The line that goes on has every option that matters, quoted for a shell, and none that would begin anew."""
    folder.write("my talk.txt", "One.")
    words = ("--fresh", "--on-change", "restart", "--model", "m 1", "--store", "a b.db")
    done = folder.run("run", "my talk.txt", *words, "--", "sh", "-c", "exit 3", code=1)
    line = "run 'my talk.txt' --model 'm 1' --store 'a b.db' -- sh -c 'exit 3'"
    assert done.stderr.rstrip().endswith(f"python3 -m checkpoint_store {line}")


def test_a_command_that_is_not_there_fails_the_job(lecture: Folder) -> None:
    """A COMMAND that cannot be started is named, with exit 1, and its job is failed."""
    done = lecture.run("run", "lecture.txt", "--", "no-such-program-anywhere", code=1)
    assert "'no-such-program-anywhere' cannot be started: No such file" in done.stderr
    assert lecture.json("show")["status"] == "failed"


def test_a_command_that_a_signal_ends_fails_the_job(lecture: Folder) -> None:
    """A run whose COMMAND is ended by a signal, as for lack of memory, names the signal."""
    source = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    assert "was ended by SIGKILL" in lecture.run("run", "lecture.txt", *lecture.command(source), code=1).stderr


def test_an_empty_answer_is_not_recorded(lecture: Folder) -> None:
    """A client that swallows its own error prints nothing; that is no cleaned text unless it says so."""
    done = lecture.run("run", "lecture.txt", *lecture.command("pass"), code=1)
    assert "printed nothing" in done.stderr
    lecture.run("run", "lecture.txt", "--fresh", *lecture.command("""print('{"cleaned_text": ""}')"""))
    assert recorded(lecture)[0]["cleaned_text"] == ""


def test_an_answer_that_is_no_utf8_is_not_recorded(lecture: Folder) -> None:
    """No byte is replaced on the way into the store."""
    source = "import sys; sys.stdout.buffer.write(b'caf\\xe9')"
    assert "not UTF-8" in lecture.run("run", "lecture.txt", *lecture.command(source), code=1).stderr


def test_an_answer_that_json_cannot_hold_fails_its_chunk(lecture: Folder) -> None:
    """The store's own check speaks, with the chunk and the place."""
    source = f"""print('{{"cleaned_text": "x", "levels": {"[" * 201 + "]" * 201}}}')"""
    done = lecture.run("run", "lecture.txt", *lecture.command(source), code=1)
    assert "chunk 0: result['levels'][0]" in done.stderr


@each_case(
    ("words", "message"),
    [
        (["missing.txt"], "missing.txt: no such file"),
        (["lectures/missing.txt"], "lectures/missing.txt: no such file"),
        (["lecture.txt", "empty.txt"], "empty.txt is empty"),
        (["lecture.txt", "latin.txt"], "latin.txt is not UTF-8 text"),
        (["lecture.txt", "."], ". is not a regular file"),
        (["lecture.txt", "--output", "lecture.txt"], "the output would replace the input"),
        (["lecture.txt", "--output", "."], "is not a regular file"),
        (["lecture.txt", "--output", "nowhere/x.txt"], "there is no folder nowhere"),
        (["./-a.txt", "--output", "./-a.txt"], "./-a.txt: the output would replace the input"),
        (["./-a.txt", "./-a.vtt"], "./-a.txt and ./-a.vtt would both be written to ./-a.cleaned.txt"),
        (["two\nlines.txt", "--output", "two\nlines.txt"], r"two\nlines.txt: the output would replace the input"),
        (["lecture.txt", "lecture.vtt"], "would both be written to lecture.cleaned.txt"),
        (["lecture.txt", "other.txt", "--output", "x.txt"], "--output and --title are for one FILE"),
        (["lecture.txt", "--overlap", "20001"], "--overlap"),
        (["lecture.txt", "--chunk-size", "0"], "--chunk-size"),
        (["lecture.txt", "--chunk-size", f"{10**20}"], "is no whole number from 1 to 1,000,000,000"),
        (["lecture.txt", "--"], "after -- comes the COMMAND"),
        ([], "Missing argument 'FILE...'"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(lecture: Folder, words: list[str], message: str) -> None:
    """Exit 2, one line that names it, and neither a store nor an output is made."""
    lecture.write("empty.txt", " \n")
    lecture.write("lecture.vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nhi\n")
    for name in ("other.txt", "-a.txt", "-a.vtt", "two\nlines.txt"):
        lecture.write(name, "Other.")
    lecture.path.joinpath("latin.txt").write_bytes(b"caf\xe9")
    before = lecture.files()
    done = lecture.run("run", *words, code=2)
    assert message in done.stderr
    assert done.stderr.splitlines()[-1].count(message) == 1
    assert lecture.files() == before


@pytest.mark.parametrize(
    "words", [["--api-key", "abcdef0123456789"], ["-H", "Authorization: Bearer abcdef0123456789abcdef"]]
)
def test_a_secret_among_the_words_of_the_command_is_refused(lecture: Folder, words: list[str]) -> None:
    """Before any work, and no file holds it afterwards."""
    done = lecture.run("run", "lecture.txt", *lecture.command(), *words, code=2)
    assert "secret" in done.stderr or "--api-key" in done.stderr
    assert lecture.calls() == []
    assert not any(b"abcdef0123456789" in path.read_bytes() for path in lecture.path.iterdir())


def test_what_a_failing_command_says_cannot_move_the_cursor(lecture: Folder) -> None:
    """The colours and control sequences of a failing COMMAND are neither shown nor kept."""
    source = r"import sys; sys.exit('\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jnot ünkept\a')"
    done = lecture.run("run", "lecture.txt", *lecture.command(source), code=1)
    assert "  | red not ünkept\n" in done.stderr
    assert lecture.json("show")["error_message"].endswith("\nred not ünkept")


def test_a_secret_in_what_a_failing_command_says_is_not_kept(lecture: Folder) -> None:
    """A client may print the key that was refused; the store does not repeat it."""
    secret = "sk-proj-Canary0Canary1Canary2Canary3"
    lecture.write("key.txt", secret)
    source = "import sys; sys.exit('refused: ' + open('key.txt').read())"
    lecture.run("run", "lecture.txt", *lecture.command(source), code=1)
    lecture.path.joinpath("key.txt").unlink()
    assert "refused: [redacted]" in lecture.json("show")["error_message"]
    assert not any(secret.encode() in path.read_bytes() for path in lecture.path.iterdir())


# -- changes


def test_a_changed_option_is_refused_with_the_choices(lecture: Folder) -> None:
    """What changed, both values, what could be kept: and nothing is done."""
    lecture.run("run", "lecture.txt", *SIX, "--model", "one", *lecture.command())
    done = lecture.run("run", "lecture.txt", *SIX, "--model", "two", *lecture.command(), code=2)
    assert "model: 'one' -> 'two'" in done.stderr
    assert "--on-change reuse" in done.stderr
    assert len(lecture.calls()) == 6


def test_after_an_edit_only_the_changed_chunk_is_done_again(lecture: Folder) -> None:
    """--on-change reuse carries over what is as it was."""
    words = ("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run(*words)
    edited = lecture.read("lecture.txt").replace("Paragraph 2", "Passage 2")
    lecture.write("lecture.txt", edited)
    assert "keeps the results of 5 chunks whose text is as it was" in lecture.run(*words, code=2).stderr
    lecture.run(*words[:2], "--on-change", "reuse", *words[2:])
    assert lecture.calls()[6:] == ["Passage 2 says one thing and another."]
    assert lecture.read("lecture.cleaned.txt") == edited.upper() + "\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [["--fresh"], ["--on-change", "restart", "--model", "another"]])
def test_everything_can_be_done_anew(lecture: Folder, words: list[str]) -> None:
    """--fresh always, --on-change restart where something changed; the earlier job stays."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run("run", "lecture.txt", *SIX, *words, *lecture.command())
    assert len(lecture.calls()) == 12
    assert len(lecture.json("list")["jobs"]) == 2


# -- several files


@pytest.mark.slow
def test_several_files_are_jobs_of_one_store(lecture: Folder) -> None:
    """Each has its own job and output; what fails in one does not stop the others; the worst code counts."""
    lecture.write("alpha.txt", "Alpha.")
    lecture.write("omega.txt", "Omega.")
    report = lecture.json("run", "alpha.txt", "lecture.txt", "omega.txt", *SIX, *lecture.command(FAILS_ONCE), code=1)
    assert [job["status"] for job in report["jobs"]] == ["completed", "failed", "completed"]
    assert [job["exit_code"] for job in report["jobs"]] == [0, 1, 0]
    assert lecture.read("omega.cleaned.txt") == "OMEGA.\n"
    assert len(lecture.json("list")["jobs"]) == 3


def test_outputs_are_not_taken_for_inputs(lecture: Folder) -> None:
    """``run *.txt`` names the outputs of the first run the second time: they are passed over, and said."""
    lecture.run("run", "lecture.txt", *lecture.command())
    done = lecture.run("run", "lecture.cleaned.txt", "lecture.txt", *lecture.command())
    assert "lecture.cleaned.txt is what another FILE was cleaned to" in done.stderr
    assert len(lecture.json("list")["jobs"]) == 1


# -- reports


def test_the_json_report_is_one_document(lecture: Folder) -> None:
    """Everything that the person is told, for programs."""
    report = lecture.json("run", "lecture.txt", *SIX, *lecture.command())
    (job,) = report["jobs"]
    assert report["exit_code"] == 0
    assert job["seconds"] >= 0
    assert {name: job[name] for name in ("status", "total_chunks", "completed_chunks", "done_before", "done_now")} == {
        "status": "completed",
        "total_chunks": 6,
        "completed_chunks": 6,
        "done_before": 0,
        "done_now": 6,
    }
    assert (job["output"], job["output_written"], job["error"]) == ("lecture.cleaned.txt", True, None)


@pytest.mark.slow
def test_results_can_be_read_with_any_sqlite(lecture: Folder) -> None:
    """The store is what the report says it is."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as connection, connection:
        (count,) = connection.execute("SELECT count(*) FROM chunk_results").fetchone()
    connection.close()
    assert count == 6


def test_the_state_file_is_exact_after_a_run(lecture: Folder) -> None:
    """What a person finds beside the store is the whole job."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    state = json.loads(lecture.read(".processing_state.json"))
    assert (state["status"], state["completed_chunks"]) == ("completed", list(range(6)))


def test_no_temporary_file_is_left_when_the_output_cannot_be_written(lecture: Folder) -> None:
    """The results are safe, exit 2, and the next run writes it."""
    source = "import os, sys; os.mkdir('lecture.cleaned.txt'); print('x')"
    done = lecture.run("run", "lecture.txt", *lecture.command(source), code=2)
    assert "lecture.cleaned.txt could not be written" in done.stderr
    assert "1 of 1 chunk done and safe, 0 left" in done.stderr
    assert not [name for name in lecture.files() if name.endswith(".tmp")]
    Path(lecture.path / "lecture.cleaned.txt").rmdir()
    lecture.run("run", "lecture.txt", *lecture.command(source))
    assert lecture.read("lecture.cleaned.txt") == "x\n"
