"""What a job cost: one reckoning, by whomever it is told."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    BudgetReached,
    CheckpointStore,
    InvalidArgumentError,
    Job,
    JobCosts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNKS = ["good", "dear", "bad", "again"]
PRICES = {"good": 0.25, "dear": 1.0, "again": 0.5}
EVERYTHING = JobCosts(
    cost=3.0,
    carried=0.0,
    failed_cost=0.75,
    replaced_cost=0.5,
    reserved_cost=0.0,
    dearest_cost=1.0,
    unreadable_chunk=None,
)
"""What it comes to where two tries at ``bad`` cost 0.375 each, and ``again`` is done twice."""


class TooBadError(Exception):
    """A failure that was billed."""

    cost = 0.375


def work(text: str) -> dict[str, Any]:
    """Do a chunk; ``bad`` fails, and is billed."""
    if text == "bad":
        raise TooBadError
    return {"text": text, "cost": PRICES[text], "usage": {"price": str(PRICES[text] * 2)}, "tokens": 100}


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """Return a job with a failed chunk, three results and a replaced one."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    list(job.map(work, on_error="record", max_attempts=2, wait=lambda _: 0))
    job.redo(3)
    list(job.map(work, only=[3]))
    return job


@pytest.fixture
def edited(job: Job, store: CheckpointStore) -> Job:
    """Return a job that carries three results, one of them in two places, and has paid for none."""
    chunks = ["good", "dear", "again", "good"]
    store.map(work, chunks, file_name="talk.srt", on_change="reuse")
    assert job.superseded_by is not None
    return store.job("talk.srt")


def _view(store: CheckpointStore, job: Job) -> tuple[Any, ...]:
    columns = "cost, carried, coalesce(failed_cost, 0.0), coalesce(replaced_cost, 0.0)"
    with closing(sqlite3.connect(store.path)) as raw:
        found: tuple[Any, ...] = raw.execute(
            f"SELECT {columns} FROM job_costs WHERE job_id = ?", (job.job_id,)
        ).fetchone()
    return found


def test_a_job_has_paid_for_results_failed_tries_and_replaced_results(job: Job) -> None:
    """The cost of a job is the sum of its results, failed tries and replaced results, each also told by itself."""
    assert job.costs() == EVERYTHING
    summary = job.summary()
    assert (summary.failed_cost, summary.replaced_cost) == (0.75, 0.5)


def test_a_carried_result_was_paid_for_by_another_job(edited: Job, job: Job) -> None:
    """A carried result counts in the job that paid for it, and once as carried in the job that has it now."""
    assert (edited.costs().cost, edited.costs().carried) == (0.0, 1.75)
    assert job.costs() == EVERYTHING
    assert (edited.totals("tokens", "cost"), edited.totals("tokens", "cost", carried=False)) == (
        {"tokens": 300, "cost": 1.75},
        {"tokens": 0, "cost": 0},
    )


def redone(job: Job) -> None:
    """Have the first chunk done again, for less."""
    job.redo([0])
    next(job.pending()).complete({"call": 2, "cost": 0.25})


def test_both_results_of_a_chunk_that_was_done_again_are_added_up_where_both_stand(store: CheckpointStore) -> None:
    """The earlier result stands at another chunk, which carries it: the sum has both results, each of them once."""
    job = store.open_job("talk.srt", chunks=["good", "dear", "good"])
    job.complete(0, {"call": 1, "cost": 1.0})
    store.open_job("talk.srt", chunks=["good", "edited"], on_change="reuse")
    job = store.open_job("talk.srt", chunks=["good", "dear", "good"], on_change="reuse")
    redone(job)
    assert dict(job.items()) == {0: {"call": 2, "cost": 0.25}, 2: {"call": 1, "cost": 1.0}}
    assert (job.totals("cost"), job.costs().cost, job.costs().carried) == ({"cost": 1.25}, 1.25, 0.0)


def test_both_results_of_a_chunk_that_another_job_did_again_are_added_up(store: CheckpointStore) -> None:
    """A job carries the earlier and the later result of the same chunk, the later one at two places."""
    job = store.open_job("talk.srt", chunks=["good"])
    job.complete(0, {"call": 1, "cost": 1.0})
    store.open_job("copy.srt", chunks=["good"], on_change="reuse")
    redone(job)
    copy = store.open_job("copy.srt", chunks=["good", "good", "good"], on_change="extend")
    store.open_job("copy.srt", chunks=["good", "good", "good"], on_change="reuse")
    assert [result["call"] for result in copy.results()] == [1, 2, 2]
    assert (copy.totals("cost"), copy.costs().carried, job.costs().cost) == ({"cost": 1.25}, 1.25, 1.25)


def test_what_a_job_tells_is_what_the_view_says(edited: Job, job: Job, store: CheckpointStore) -> None:
    """``job.costs`` equals the view ``job_costs`` for each job, even for a job without costs."""
    silent = store.open_job("silent.srt", total_chunks=2)
    silent.complete(0, {"text": "x"})
    free = store.open_job("free.srt", total_chunks=1)
    free.complete(0, {"cost": 0})
    for one in (edited, job, silent, free):
        costs = one.costs()
        assert _view(store, one) == (costs.cost, costs.carried, costs.failed_cost, costs.replaced_cost)
    assert (silent.costs().cost, silent.costs().carried, free.costs().cost) == (None, None, 0.0)


def test_a_budget_and_a_plan_count_what_the_job_tells(job: Job) -> None:
    """A budget that is what was spent allows no further chunk; the plan says the same sum."""
    job.retry_failed()
    with pytest.raises(BudgetReached) as reached:
        list(job.map(work, max_cost=3.5))
    assert reached.value.spent == job.costs().cost == job.plan().spent == 3.0


@pytest.mark.parametrize("cost", ["usage.price", lambda result: result["usage"]["price"]], ids=["path", "function"])
def test_a_cost_stands_where_it_is_said_to_stand(store: CheckpointStore, cost: str | Callable[[Any], Any]) -> None:
    """A dotted path, or a function: as for a budget."""
    job = store.open_job("talk.srt", chunks=CHUNKS[:2])
    list(job.map(work))
    assert (job.costs(cost).cost, job.costs(cost).carried) == (2.5, 0.0)
    again = store.open_job("talk.srt", chunks=CHUNKS[:1], on_change="reuse")
    assert (again.costs(cost).cost, again.costs(cost).carried) == (0.0, 0.5)


def test_what_is_no_amount_adds_nothing(store: CheckpointStore) -> None:
    """A cost that is a word or negative adds nothing, and a cost function that raises leaves its result out."""
    job = store.open_job("odd.srt", total_chunks=4)
    job.complete_many([(0, {"cost": "much"}), (1, {"cost": None}), (2, {"cost": 0.5}), (3, {"text": "x"})])
    assert job.costs().cost == job.costs(lambda result: result["cost"]).cost == 0.5
    assert job.costs(lambda _: -1).cost is None


def test_a_cost_that_says_no_place_is_refused(job: Job) -> None:
    """``job.costs`` refuses a ``cost=`` that names no place, as a loop does."""
    with pytest.raises(InvalidArgumentError, match="dotted path"):
        job.costs("usage.")


def test_the_bar_counts_failed_tries(store: CheckpointStore, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that fails and is billed shows a cost that grows."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    list(job.map(work, on_error="record", max_attempts=2, wait=lambda _: 0, progress=True))
    assert re.findall(r"cost=([0-9.]+)", capsys.readouterr().err)[-1] == "2.5"
    assert job.last_run is not None
    assert job.last_run.cost == 2.5


USUAL = pytest.mark.parametrize("field", ["cost", "cost_usd", "usage.cost"])


def _result(text: str, field: str, amount: float) -> dict[str, Any]:
    outer, _, inner = field.partition(".")
    return {"text": text, outer: {inner: amount} if inner else amount}


@USUAL
def test_a_result_that_is_replaced_by_hand_was_paid_for(store: CheckpointStore, field: str) -> None:
    """Nobody says there in which field the cost stands; it is in one of the usual ones."""
    job = store.open_job("talk.srt", total_chunks=1)
    job.complete(0, _result("one", field, 0.5))
    job.complete(0, _result("two", field, 0.25), replace=True)
    assert (job.costs(field).cost, job.costs(field).replaced_cost) == (0.75, 0.5)


@pytest.mark.slow
@USUAL
def test_a_result_that_a_merge_does_not_keep_was_paid_for(store: CheckpointStore, tmp_path: Path, field: str) -> None:
    """Two machines did the same chunk, and gave two results: one stands, and both were paid for."""
    job = store.open_job("talk.srt", chunks=["one"])
    job.complete(0, _result("one", field, 0.5))
    with CheckpointStore(tmp_path / "other.db") as other:
        chunk = next(other.open_job("talk.srt", chunks=["one"]).pending())
        chunk.complete(_result("another", field, 0.25))
    assert len(store.merge(tmp_path / "other.db").contradictions) == 1
    assert (job.costs(field).cost, job.costs(field).failed_cost) == (0.75, 0.25)
