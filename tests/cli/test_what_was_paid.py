"""``run``, ``list`` and ``show`` say of a job what ``job_costs`` and the budget say: what it paid itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

PRICED = """
import json, sys
text = sys.stdin.read()
if "Paragraph 5" in text:
    print(json.dumps({"cost": 0.5}))
    sys.exit(1)
print(json.dumps({"cleaned_text": text, "cost": 0.25}))
"""
RUN = ("run", "lecture.txt", *SIX)


def paid(folder: Folder) -> list[tuple[Any, ...]]:
    """What the view says of each job, the newest first."""
    with closing(sqlite3.connect(folder.path / ".processing_state.db")) as store:
        return store.execute("SELECT cost, nullif(carried, 0.0), failed_cost FROM job_costs").fetchall()


def test_the_cost_of_a_failed_try_is_shown(lecture: Folder) -> None:
    """Five results at 0.25 and a failed try at 0.5: run, list, show and job_costs say 1.75."""
    report = lecture.json(*RUN, *lecture.command(PRICED), code=1)["jobs"][0]
    (listed,), shown = lecture.json("list")["jobs"], lecture.json("show")
    assert paid(lecture) == [(1.75, None, 0.5)]
    assert (report["cost"], report["cost_now"], listed["cost"], shown["totals"]["cost"]) == (1.75,) * 4
    assert (listed["failed_cost"], listed["carried"], shown["carried"]) == (0.5, None, None)
    assert "carried" not in lecture.run("show").stdout


def test_a_job_whose_tries_all_failed_has_a_cost(lecture: Folder) -> None:
    """There is no result with a cost, and money was spent: list and show tell it."""
    lecture.write("lecture.txt", "Paragraph 5 alone.")
    lecture.run(*RUN, *lecture.command(PRICED), code=1)
    assert lecture.json("list")["jobs"][0]["cost"] == lecture.json("show")["totals"]["cost"] == 0.5
    assert "0.5" in lecture.run("list").stdout


def test_what_is_carried_is_not_paid_once_more(lecture: Folder) -> None:
    """After an edit of one chunk, the new job paid for that one; what it carries is told apart."""
    command = lecture.command(PRICED)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 5", "Paragraph 6"))
    lecture.run(*RUN, *command)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 0", "Chapter 0"))
    lecture.run(*RUN, "--on-change", "reuse", *command)
    assert paid(lecture) == [(0.25, 1.25, None), (1.5, None, None)]
    jobs, shown = lecture.json("list")["jobs"], lecture.json("show")
    assert [(job["cost"], job["carried"]) for job in jobs] == [(0.25, 1.25), (1.5, None)]
    assert (shown["totals"]["cost"], shown["carried"]) == (0.25, 1.25)
    assert "carried 1.25, which another job paid" in " ".join(lecture.run("show").stdout.split())
