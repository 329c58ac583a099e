"""``run``, ``list``, ``show`` and ``plan`` say of a job what ``job_costs`` and a budget count: what it paid itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

PRICED = program(__file__, "answer_at_a_price")
NESTED = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "usage": {"cost": "0.25"}}))"""
RUN = ("run", "lecture.txt", *SIX)
PLAN = ("plan", "lecture.txt", *SIX)


def paid(folder: Folder) -> list[tuple[Any, ...]]:
    """What the view says of each job, the newest first."""
    with closing(sqlite3.connect(folder.path / ".processing_state.db")) as store:
        return store.execute("SELECT cost, carried, failed_cost FROM job_costs").fetchall()


def words(text: str) -> str:
    """Return what people read, on one line."""
    return " ".join(text.split())


def test_the_cost_of_a_failed_try_is_shown(lecture: Folder) -> None:
    """Five results at 0.25 and a failed try at 0.5: run, list, show, plan and job_costs say 1.75."""
    report = lecture.json(*RUN, *lecture.command(PRICED), code=1)["jobs"][0]
    (listed,), shown = lecture.json("list")["jobs"], lecture.json("show")
    (planned,) = lecture.json(*PLAN, *lecture.command(PRICED))["plans"]
    assert paid(lecture) == [(1.75, 0.0, 0.5)]
    assert (report["cost"], report["cost_now"], listed["cost"], shown["totals"]["cost"]) == (1.75,) * 4
    assert (shown["cost"], planned["spent"], listed["failed_cost"], shown["carried"]) == (1.75, 1.75, 0.5, 0.0)
    assert "cost 1.75 (0.5 of it for failed tries) totals" in words(lecture.run("show").stdout)


def test_a_job_whose_tries_all_failed_has_a_cost(lecture: Folder) -> None:
    """``list`` and ``show`` give the cost of a job whose tries all failed, though it has no result."""
    lecture.write("lecture.txt", "Paragraph 5 alone.")
    lecture.run(*RUN, *lecture.command(PRICED), code=1)
    assert lecture.json("list")["jobs"][0]["cost"] == lecture.json("show")["totals"]["cost"] == 0.5
    assert "0.5" in lecture.run("list").stdout


@pytest.mark.slow
def test_what_is_carried_is_not_paid_once_more(lecture: Folder) -> None:
    """After an edit of one chunk, the new job paid for that one; what it carries is told apart, and uses no tokens."""
    command = lecture.command(PRICED)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 5", "Paragraph 6"))
    lecture.run(*RUN, *command)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 0", "Chapter 0"))
    lecture.run(*RUN, "--on-change", "reuse", *command)
    assert paid(lecture) == [(0.25, 1.25, None), (1.5, 0.0, None)]
    jobs, shown = lecture.json("list")["jobs"], lecture.json("show")
    assert [(job["cost"], job["carried"], job["tokens"]) for job in jobs] == [(0.25, 1.25, 100), (1.5, 0.0, 600)]
    assert (shown["totals"]["cost"], shown["carried"]) == (0.25, 1.25)
    assert "cost 0.25 (1.25 more that another job paid)" in words(lecture.run("show").stdout)


@pytest.mark.slow
def test_list_and_show_find_the_cost_where_the_last_run_was_told_that_it_stands(lecture: Folder) -> None:
    """After ``run --cost usage.cost`` neither of them has to be told again."""
    lecture.run(*RUN, "--cost", "usage.cost", *lecture.command(NESTED))
    shown = lecture.json("show")
    assert (lecture.json("list")["jobs"][0]["cost"], shown["cost"], shown["totals"]["usage.cost"]) == (1.5,) * 3
    assert "cost 1.5 totals" in words(lecture.run("show").stdout)


@pytest.mark.slow
def test_a_plan_says_that_nothing_fits_into_the_budget(lecture: Folder) -> None:
    """``plan`` says that no chunk fits into a budget at which ``run`` pauses at once, or how many chunks fit."""
    command = lecture.command(NESTED)
    priced = ("--cost", "usage.cost")
    lecture.run(*RUN, *priced, "--max-cost", 0.8, *command, code=75)
    said = lecture.run(*PLAN, *priced, "--max-cost", 0.8, *command).stdout
    assert "budget no chunk fits into 0.8: 0.75 spent, and the dearest chunk cost 0.25" in words(said)
    assert lecture.json(*PLAN, *priced, "--max-cost", 0.8, *command)["plans"][0]["over_budget"]
    assert "budget about 2 of 3 chunks fit into 1.3" in words(
        lecture.run(*PLAN, *priced, "--max-cost", 1.3, *command).stdout
    )
    (enough,) = lecture.json(*PLAN, *priced, "--max-cost", 1.5, *command)["plans"]
    assert (enough["spent"], enough["estimated_cost"], enough["over_budget"]) == (0.75, 0.75, False)
    assert "budget" not in lecture.run(*PLAN, *priced, "--max-cost", 1.5, *command).stdout


def test_a_plan_says_that_a_cost_cannot_be_read(lecture: Folder) -> None:
    """The run would pause before its first chunk; a run of a new job begins."""
    command = lecture.command(NESTED)
    assert not lecture.json(*PLAN, "--max-cost", 5, *command)["plans"][0]["over_budget"]
    lecture.run(*RUN, "--max-cost", 5, *command, code=75)
    said = lecture.run(*PLAN, "--max-cost", 5, *command).stdout
    assert "budget no chunk would begin: the cost of chunk 0 cannot be read as 'cost'; see --cost" in words(said)


@pytest.mark.slow
def test_retry_of_a_failed_job_does_not_contradict_its_status(lecture: Folder) -> None:
    """The first failure ended the run, and left the chunk its tries: there is nothing to free, and the run goes on."""
    lecture.run(*RUN, *lecture.command(PRICED), code=1)
    assert "FAILED" not in lecture.run("list").stdout
    assert lecture.json("list")["jobs"][0]["status"] == "failed"
    said = words(lecture.run("retry").stderr)
    assert "no chunk of job" in said
    assert "has used up its tries: nothing to free; the next run does what is left, 1 chunk" in said
