"""``run --max-cost`` where the cost stands elsewhere, is a text, or is nowhere."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX
from .test_interrupts import until

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX)
NESTED = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "usage": {"cost": "0.25"}}))"""


def test_a_run_whose_costs_cannot_be_read_pauses_after_one_chunk(lecture: Folder) -> None:
    """Exit 75; the line says where it looked and what there is, and the next one goes on with --cost."""
    done = lecture.run(*WORDS, "--workers", 4, "--max-cost", 0.8, *lecture.command(NESTED), code=75)
    assert "the result of chunk 0, which is kept, has no 'cost' (it has chunk_index, cleaned_text" in done.stderr
    assert "usage.cost" in done.stderr
    assert "  go on with the FIELD that holds the cost, or without --max-cost:  " in done.stderr
    assert (lecture.json("show")["completed_chunks"], lecture.json("show")["status"]) == (1, "paused")


def test_a_command_that_prints_text_alone_is_told_what_a_budget_needs(lecture: Folder) -> None:
    """No field of the result holds a cost: the fields that the run itself measures are not offered."""
    done = lecture.run(*WORDS, "--max-cost", 0.8, "--", "cat", code=75)
    assert "COMMAND printed the text of chunk 0 alone, which is kept; it has to print a JSON object" in done.stderr
    assert "characters_in" not in done.stderr
    assert "or without --max-cost:  " in done.stderr


def test_cost_names_the_field_that_is_added_up(lecture: Folder) -> None:
    """A dotted path, and numbers in texts: three chunks at 0.25 fit into 0.8, and the summary tells the cost."""
    words = (*WORDS, "--cost", "usage.cost")
    done = lecture.run(*words, "--max-cost", 0.8, *lecture.command(NESTED), code=75)
    assert "--max-cost 0.8 is reached: 0.75 spent" in done.stderr
    assert "--cost usage.cost" in done.stderr
    report = lecture.json(*words, "--max-cost", 2, *lecture.command(NESTED))["jobs"][0]
    assert (report["cost"], report["cost_now"], report["done_now"]) == (1.5, 0.75, 3)


@pytest.mark.parametrize("field", ["", "usage.", 'a"b'])
def test_a_cost_that_is_no_field_is_refused(lecture: Folder, field: str) -> None:
    """Exit 2, and no store is made."""
    before = lecture.files()
    done = lecture.run("run", "lecture.txt", "--cost", field, "--", "cat", code=2)
    assert "--cost" in done.stderr
    assert lecture.files() == before


def test_a_budget_is_for_a_command(lecture: Folder) -> None:
    """The built-in cleaner costs nothing; that the option does nothing there is said before anything is made."""
    before = lecture.files()
    assert "--max-cost is for a COMMAND" in lecture.run("run", "lecture.txt", "--max-cost", 5, code=2).stderr
    assert lecture.files() == before


WAITS_FOR_ANOTHER = """import json, pathlib, sys, time
pathlib.Path("waiting").touch()
while not pathlib.Path("release").exists():
    time.sleep(0.01)
print(json.dumps({"cleaned_text": sys.stdin.read(), "cost": 0.25}))"""


@pytest.mark.slow
def test_what_others_pay_meanwhile_is_not_what_this_run_paid(lecture: Folder) -> None:
    """While five chunks are done at 0.25, another program pays 8 for the sixth: the job cost 9.25, and this run 1.25."""

    def pay() -> None:
        until((lecture.path / "waiting").exists)
        with CheckpointStore(lecture.path / ".processing_state.db") as store:
            store.job("lecture.txt").complete(5, {"cleaned_text": "theirs", "cost": 8})
        (lecture.path / "release").touch()

    another = Thread(target=pay)
    another.start()
    report = lecture.json("run", "lecture.txt", *SIX, *lecture.command(WAITS_FOR_ANOTHER))["jobs"][0]
    another.join()
    assert (report["done_now"], report["cost"], report["cost_now"]) == (5, 9.25, 1.25)
