"""What a COMMAND was paid for an answer that is no result counts as spent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.cli.run.answer import AnswerReader
from checkpoint_store.cli.run.subprocess_worker import Command, CommandFailedError
from checkpoint_store.cli.transcripts.split import TextChunk

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX, "--retries", 5)
_COUNTED = "import sys; open('calls', 'a').write('x'); sys.stdin.read()\n"
NO_TEXT = _COUNTED + """print('{"text": "x", "cost": 1}')"""
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


@pytest.mark.parametrize("printed", ["no JSON", '{"text": "x"}', '{"cost": "free"}', '{"cost": -1}', '[{"cost": 1}]'])
def test_an_answer_without_a_readable_cost_counts_nothing(lecture: Folder, printed: str) -> None:
    """What a rejected answer does not say is not made up: nothing is known of its cost."""
    program = f"import sys; sys.stdin.read(); print({printed!r}); sys.exit(1)"
    lecture.run("run", "lecture.txt", *SIX, "--max-cost", 3, *lecture.command(program), code=1)
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as store:
        assert store.execute("SELECT cost, failed_cost FROM job_costs").fetchall() == [(None, None)]


def test_the_cost_of_a_command_that_took_too_long_counts() -> None:
    """A COMMAND that printed what it cost and then hangs is ended, and its cost is known."""
    command = Command(("sh", "-c", "echo '{\"cost\": 2}'; exec sleep 60"), AnswerReader(), timeout_seconds=0.3)
    with pytest.raises(CommandFailedError, match="took longer") as failed:
        command(TextChunk("x"), _VARIABLES)
    assert failed.value.cost == 2
