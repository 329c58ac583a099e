"""What a COMMAND was paid for an answer that is no result counts as spent."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, report
from checkpoint_store.cli.run.command.answer import AnswerReader
from checkpoint_store.cli.run.command.outcome import CommandFailedError
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.transcripts.split import TextChunk
from tests.report.pages import facts

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX, "--retries", 5)
_COUNTED = "import sys; open('calls', 'a').write('x'); sys.stdin.read()\n"
NO_TEXT = _COUNTED + """print('{"cleaned_text": null, "cost": 1}')"""
FAILS = _COUNTED + """print('{"cleaned_text": "x", "cost": "1.0"}'); sys.exit(1)"""
NESTED = _COUNTED + """print('```json\\n{"error": "late", "usage": {"cost": 1}}\\n```')"""
NOT_UTF8 = _COUNTED + """sys.stdout.buffer.write(b'{"cleaned_text": "\\xff", "cost": 1}')"""
_VARIABLES = {"CHECKPOINT_STORE_CHUNK_INDEX": "0", "CHECKPOINT_STORE_FILE": "x.txt"}


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("program", "options"),
    [(NO_TEXT, ()), (FAILS, ()), (NESTED, ("--cost", "usage.cost")), (NOT_UTF8, ())],
    ids=["no text", "exit code 1", "a dotted path", "not UTF-8"],
)
def test_max_cost_counts_the_cost_in_an_answer_that_is_rejected(
    lecture: Folder, program: str, options: tuple[str, ...]
) -> None:
    """A COMMAND that takes 1 for each answer that is of no use is called three times with --max-cost 3, not 36 times."""
    done = lecture.run(*WORDS, "--max-cost", 3, *options, *lecture.command(program), code=75)
    assert lecture.read("calls") == "xxx"
    assert "--max-cost 3 is reached: 3 spent" in done.stderr
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as store:
        assert store.execute("SELECT cost, failed_cost FROM job_costs").fetchall() == [(3.0, 3.0)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("printed", ["no JSON", '{"text": "x"}', '{"cost": "free"}', '{"cost": -1}', '[{"cost": 1}]'])
def test_an_answer_without_a_readable_cost_counts_nothing(lecture: Folder, printed: str) -> None:
    """What a rejected answer does not say is not made up: nothing is known of its cost."""
    program = f"import sys; sys.stdin.read(); print({printed!r}); sys.exit(1)"
    lecture.run("run", "lecture.txt", *SIX, "--max-cost", 3, *lecture.command(program), code=1)
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as store:
        assert store.execute("SELECT cost, failed_cost FROM job_costs").fetchall() == [(None, None)]


@pytest.mark.slow
def test_the_cost_of_a_command_that_took_too_long_counts() -> None:
    """A COMMAND that printed what it cost and then hangs is ended, and its cost is known."""
    command = Command(("sh", "-c", "echo '{\"cost\": 2}'; exec sleep 60"), AnswerReader(), timeout_seconds=0.3)
    with pytest.raises(CommandFailedError, match="took longer") as failed:
        command(TextChunk("x"), _VARIABLES)
    assert failed.value.cost == 2


OTHER_FORM = _COUNTED + """print('{"choices": [{"message": {"content": "PAID ANSWER"}}], "cost": 1}')"""
THEN_OTHER_FORM = program(__file__, "answer_in_other_form_later")
WHIM = (
    _COUNTED
    + """import os
if os.path.exists('whim'): os.remove('whim'); print('{"text": "PAID ANSWER"}')
else: print('{"cleaned_text": "x"}')"""
)


@pytest.mark.slow_variants
@pytest.mark.parametrize("options", [("--retries", 2), ()], ids=["with --retries", "without"])
def test_a_field_that_is_named_wrongly_is_paid_for_once(lecture: Folder, options: tuple[object, ...]) -> None:
    """The run ends at the first answer, a copy of which is kept; with the right field the next run does every chunk."""
    done = lecture.run("run", "lecture.txt", *SIX, *options, *lecture.command(OTHER_FORM), code=1)
    assert lecture.read("calls") == "x"
    assert "without a text as 'cleaned_text'; it has 'choices', 'cost'" in done.stderr
    assert "PAID ANSWER" not in done.stderr
    assert "what COMMAND printed is kept: see checkpoint-store errors " in done.stderr
    (failed,) = lecture.json("errors")["errors"]
    assert failed["error"].endswith(
        'The result was: {"choices": [{"message": {"content": "PAID ANSWER"}}], "cost": 1}\n'
    )
    named = ("--result-field", "choices.0.message.content", "--on-change", "restart")
    assert lecture.json("run", "lecture.txt", *SIX, *named, *lecture.command(OTHER_FORM))["jobs"][0]["done_now"] == 6


@pytest.mark.slow_variants
@pytest.mark.parametrize("right", [("--result-field", "choices.0.message.content"), ("--raw",)], ids=["field", "raw"])
def test_the_right_field_reads_the_answer_that_is_kept(lecture: Folder, right: tuple[object, ...]) -> None:
    """Who follows the message pays for no chunk a second time."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(OTHER_FORM), code=1)
    told = lecture.json("run", "lecture.txt", *SIX, *right, *lecture.command(OTHER_FORM))["jobs"][0]
    assert (told["done_now"], lecture.read("calls")) == (6, "x" * 6)
    assert lecture.read("lecture.cleaned.txt").count("PAID ANSWER") == 6


@pytest.mark.slow
def test_the_line_after_a_field_that_is_named_wrongly_pays_for_nothing(lecture: Folder) -> None:
    """The lines of the run, of ``resume``, of ``show`` and of the page leave the field open, and work once it is named."""
    opened = "--result-field FIELD"
    first = lecture.json("run", "lecture.txt", *SIX, "--result-field", "wrong", *lecture.command(OTHER_FORM), code=1)
    again = lecture.run("resume", code=1).stderr  # COMMAND might print another form by now
    (shown,) = (line for line in lecture.run("show").stdout.splitlines() if "resume" in line)
    with CheckpointStore(lecture.path / ".processing_state.db", read_only=True) as store:
        page = facts(report.write(store, lecture.path / "page.html"))["lines"]["resume"]
    assert f"{opened} -- " in first["summary"]["go_on_with"]
    assert "go on with the FIELD that has the text:  checkpoint-store resume" in again
    assert all(line.strip().endswith(opened) for line in (again, shown, page))
    typed = shlex.split(shown.partition(": ")[2])[1:]
    assert "FIELD stands for the name of a field" in lecture.run(*typed, code=2).stderr
    assert lecture.read("calls") == "xx"
    lecture.run(*typed[:-1], "choices.0.message.content")
    assert lecture.read("calls") == "x" * 7  # resume paid for an answer, and one of both is used


@pytest.mark.slow
def test_an_answer_for_another_text_is_not_read_again(lecture: Folder) -> None:
    """The file was edited in between."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(OTHER_FORM), code=1)
    lecture.write("lecture.txt", f"Another beginning. {lecture.read('lecture.txt')}")
    named = ("--result-field", "choices.0.message.content")
    told = lecture.json("run", "lecture.txt", *SIX, *named, *lecture.command(OTHER_FORM))["jobs"][0]
    assert len(lecture.read("calls")) == 1 + told["done_now"]


TWO_TEXTS = _COUNTED + """print('{"text": "RIGHT", "summary": "WRONG"}')"""


@pytest.mark.slow
def test_a_field_that_has_another_text_is_named_rightly_without_a_call(lecture: Folder) -> None:
    """The answers are recorded with all their fields: the output of the next run has the text of the right one."""
    command = lecture.command(TWO_TEXTS)
    lecture.run("run", "lecture.txt", *SIX, "--result-field", "summary", *command)
    right = ("run", "lecture.txt", *SIX, "--result-field", "text")
    refused = lecture.run(*right, *command, code=2).stderr
    assert "--on-change reuse --reuse-ignoring config.result_field" in refused
    lecture.run(*right, "--on-change", "reuse", "--reuse-ignoring", "config.result_field", *command)
    assert lecture.read("calls") == "x" * 6
    assert set(lecture.read("lecture.cleaned.txt").split()) == {"RIGHT"}


@pytest.mark.slow
def test_a_job_without_results_pays_for_no_answer_that_another_field_was_read_of(lecture: Folder) -> None:
    """A run that failed at its first call left a job behind, which must not hide the answers that are paid for."""
    command = lecture.command(f"import os, sys; os.path.exists('away') and sys.exit(1)\n{TWO_TEXTS}")
    lecture.write("away", "")
    right = ("run", "lecture.txt", *SIX, "--result-field", "text")
    lecture.run(*right, *command, code=1)
    (lecture.path / "away").unlink()
    lecture.run("run", "lecture.txt", *SIX, "--result-field", "summary", *command)
    refused = lecture.run(*right, *command, code=2).stderr
    assert "config.result_field: 'summary' -> 'text'" in refused
    (planned,) = lecture.json("plan", *right[1:], *command)["plans"]
    assert (planned["action"], planned["chunks_to_do"]) == ("refuse", 0)
    lecture.run(*right, "--on-change", "reuse", "--reuse-ignoring", "config.result_field", *command)
    assert lecture.read("calls") == "x" * 6
    assert set(lecture.read("lecture.cleaned.txt").split()) == {"RIGHT"}


@pytest.mark.slow
def test_a_job_that_was_begun_anew_goes_on_by_its_own_line(lecture: Folder) -> None:
    """A run with --fresh whose first call fails passed the check for another field: its line is not refused for that."""
    command = lecture.command(f"import os, sys; os.path.exists('away') and sys.exit(1)\n{TWO_TEXTS}")
    lecture.run("run", "lecture.txt", *SIX, "--result-field", "summary", *command)
    lecture.write("away", "")
    right = ("run", "lecture.txt", *SIX, "--result-field", "text")
    lecture.run(*right, "--fresh", *command, code=1)
    (lecture.path / "away").unlink()
    assert lecture.json("plan", *right[1:], *command)["plans"][0]["action"] == "resume"
    lecture.run(*right, *command)
    assert lecture.read("calls") == "x" * 12


@pytest.mark.slow_variants
@pytest.mark.parametrize("options", [("--retries", 2), ()], ids=["with --retries", "without"])
def test_further_files_pay_for_no_answer_of_another_form(lecture: Folder, options: tuple[object, ...]) -> None:
    """With two workers, at most the two answers in hand are rejected: the first one ends the whole run."""
    lecture.write("second.txt", "Another talk.\n")
    words = ("run", "lecture.txt", "second.txt", *SIX, *options, "--workers", 2)
    summary = lecture.json(*words, *lecture.command(OTHER_FORM), code=1)
    assert lecture.read("calls") in ("x", "xx")
    assert [job["outcome"] for job in summary["jobs"]] == ["failed", "not begun"]
    assert len(lecture.json("errors", "lecture.txt")["errors"]) == len(lecture.read("calls"))


def test_a_run_says_that_an_answer_that_no_store_can_hold_is_kept(lecture: Folder) -> None:
    """JSON of more than 200 levels; the answer was paid for, and the run names the command that shows it."""
    answer = f'{{"cleaned_text": "PAID", "levels": {"[" * 201 + "]" * 201}}}'
    done = lecture.run("run", "lecture.txt", *SIX, *lecture.command(f"print({answer!r})"), code=1)
    assert "what COMMAND printed is kept: see checkpoint-store errors " in done.stderr
    assert "PAID" in lecture.run("errors").stdout


@pytest.mark.slow
def test_another_form_after_a_right_one_is_tried_again(lecture: Folder) -> None:
    """A model that once leaves out the field does not end a night's run; its answer is kept, and the chunk is done."""
    lecture.run("run", "lecture.txt", *SIX, "--retries", 1, *lecture.command(THEN_OTHER_FORM))
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as store:
        errors = [error for (error,) in store.execute("SELECT error FROM attempts WHERE error IS NOT NULL")]
    assert len(errors) == 1
    assert errors[0].endswith('The result was: {"text": "PAID ANSWER"}\n')


@pytest.mark.slow
def test_another_form_after_right_ones_of_an_earlier_run_is_tried_again(lecture: Folder) -> None:
    """The first run proved the form: a whim in the next run is tried again, and the further files are begun."""
    lecture.write("second.txt", "Another talk.\n")
    lecture.run("run", "lecture.txt", *SIX, "--only", "0", *lecture.command(WHIM))
    lecture.write("whim", "")
    summary = lecture.json("run", "lecture.txt", "second.txt", *SIX, "--retries", 1, *lecture.command(WHIM))
    assert [job["outcome"] for job in summary["jobs"]] == ["complete", "complete"]
    assert lecture.read("calls") == "x" * 8  # one of them in vain


@pytest.mark.slow
def test_a_chunk_that_failed_shows_the_reason_without_the_copy(lecture: Folder) -> None:
    """The summary of a run has the reason; the copy of an answer, which may fill many screens, is shown by errors."""
    cut_off = _COUNTED + """print('{"cleaned_text": "PAID ANSW')"""
    done = lecture.run("run", "lecture.txt", *SIX, "--retries", 1, *lecture.command(cut_off), code=1)
    assert len(lecture.read("calls")) == 12
    assert "printed JSON that is cut off" in done.stderr
    assert "PAID ANSW" not in done.stderr
    assert "PAID ANSW" in lecture.run("errors").stdout
