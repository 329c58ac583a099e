"""A budget that cannot read the cost is no budget: the loop pauses, and says where it looked."""

from __future__ import annotations

import asyncio
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case
from pydantic import BaseModel

from checkpoint_store import BudgetReached, CheckpointStore, CostUnknown, InvalidArgumentError, Job, JobPaused

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Opener

CHUNKS = [f"chunk {index}" for index in range(12)]


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A new job of twelve chunks."""
    return store.open_job("f", chunks=CHUNKS)


class Counted:
    """Work that gives these results, the last one again and again, and counts its calls."""

    def __init__(self, *results: Any) -> None:
        self.results = results
        self.calls = 0

    def __call__(self, text: str) -> Any:
        self.calls += 1
        return self.results[min(self.calls, len(self.results)) - 1]


class Answer(BaseModel):
    text: str
    cost: Decimal


# -- what cannot be read


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize(
    ("result", "value", "fields"),
    [
        ({"text": "x"}, None, ("text",)),
        ({"cost_usd": 0.5}, None, ("cost_usd",)),
        ({"usage": {"cost": 0.5}}, None, ("usage.cost",)),
        ({"cost": None}, "None", ("cost",)),
        ({"cost": True}, "True", ("cost",)),
        ({"cost": False}, "False", ("cost",)),
        ({"cost": -0.5}, "-0.5", ("cost",)),
        ({"cost": "abc"}, "'abc'", ("cost",)),
        ({"cost": "nan"}, "'nan'", ("cost",)),
        ({"cost": "$0.50"}, "'$0.50'", ("cost",)),
        ({"cost": [0.5]}, "[0.5]", ("cost",)),
        ({"cost": {"usd": 0.5}}, '{"usd":0.5}', ("cost.usd",)),
        ([{"cost": 0.5}], None, ()),
        ("text", None, ()),
        pytest.param(None, None, (), marks=pytest.mark.filterwarnings("ignore::checkpoint_store.ResultIsNone")),
    ],
)
def test_the_first_result_whose_cost_cannot_be_read_pauses(
    job: Job, result: Any, value: str | None, fields: tuple[str, ...], workers: int
) -> None:
    """A budget pauses at the first result without a readable cost, keeps that result, and names its fields."""
    work = Counted(result)
    with pytest.raises(CostUnknown) as caught:
        list(job.map(work, workers=workers, max_cost=1.0))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.job_id, error.remaining_chunks, error.field, error.fields) == (job.job_id, 11, "cost", fields)
    assert (error.value or "").replace(" ", "") == (value or "").replace(" ", "")
    assert (work.calls, job.status, list(job.items())) == (1, "paused", [(error.chunk_index, result)])
    assert isinstance(error, JobPaused)
    assert all(words in str(error) for words in ("'cost'", "cost=", *fields))
    assert "cannot be read" in (job.error_message or "")


def test_a_later_result_without_a_cost_pauses_too(job: Job) -> None:
    """What is in work then is finished and recorded, and nothing more is begun."""
    work = Counted({"cost": 0.001}, {"cost": 0.001}, {"text": "x"})
    with pytest.raises(CostUnknown) as caught:
        list(job.map(work, workers=4, max_cost=1.0))
    assert 3 <= work.calls == job.progress().completed_chunks <= 6
    assert caught.value.remaining_chunks == 12 - work.calls


def test_a_last_result_without_a_cost_completes_the_job(store: CheckpointStore) -> None:
    """Nothing is left to be paid for."""
    assert store.map(Counted("x"), ["one"], file_name="f", max_cost=1.0) == ["x"]


def test_without_a_budget_no_cost_is_asked_for(job: Job) -> None:
    """Results need no cost then."""
    assert len(list(job.map(Counted("x"), workers=2))) == 12


def test_the_loop_for_asyncio_pauses_alike(job: Job) -> None:
    """``amap`` with eight workers pays for a single call before it pauses at an unreadable cost."""
    work = Counted({"text": "x"})

    async def call(text: str) -> Any:
        return work(text)

    async def main() -> None:
        async for _ in job.amap(call, workers=8, max_cost=1.0):
            pass

    with pytest.raises(CostUnknown):
        asyncio.run(main())
    assert (work.calls, job.status) == (1, "paused")


# -- results that are there already


def test_earlier_results_without_a_cost_are_refused_before_the_first_call(job: Job) -> None:
    """Made by a run without max_cost; the chunk is named. A function that prices them goes on."""
    job.complete(3, {"cost": 0.25})
    job.complete(7, {"text": "x"})
    work = Counted({"cost": 0.25})
    with pytest.raises(CostUnknown) as caught:
        list(job.map(work, max_cost=1.0))
    assert (work.calls, caught.value.chunk_index, job.status) == (0, 7, "paused")
    with pytest.raises(BudgetReached) as reached:
        list(job.map(work, max_cost=1.0, cost=lambda result: result.get("cost", 0.25)))
    assert (work.calls, reached.value.spent) == (2, 1.0)


def test_another_runners_result_without_a_cost_pauses(job: Job, open_store: Opener) -> None:
    """A loop with a budget pauses when another runner records a result without a cost, even in mid-work."""
    other = open_store().latest_job()
    assert other is not None
    work = Counted({"cost": 0.01})
    with pytest.raises(CostUnknown) as caught:  # the loop is what raises
        for item in job.map(work, max_cost=1.0):
            if item.index == 1:
                other.complete(9, {"text": "x"})
    assert (caught.value.chunk_index, job.progress().completed_chunks) == (9, work.calls + 1)


def test_a_result_that_is_replaced_by_one_with_a_cost_is_read(job: Job) -> None:
    """The loop goes on, and counts the new one."""
    job.complete(0, {"text": "x"})
    job.complete(0, {"text": "x", "cost": 0.5}, replace=True)
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Counted({"cost": 0.5}), max_cost=1.0))
    assert (caught.value.spent, caught.value.remaining_chunks) == (1.0, 10)


# -- what can be read


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("result", "cost"),
    [
        ({"cost": 0.5}, "cost"),
        ({"cost": "0.50"}, "cost"),
        (Answer(text="x", cost=Decimal("0.50")), "cost"),
        ({"cost_usd": 0.5, "cost": "free"}, "cost_usd"),
        ({"usage": {"cost": "0.5"}}, "usage.cost"),
        ({"usage.cost": 0.5}, "usage.cost"),
        ({"a": {"b": {"größe": 0.5}}}, "a.b.größe"),
        ([{"cost": 0.25}, {"cost": 0.25}], lambda result: sum(one["cost"] for one in result)),
        ({"tokens": 50}, lambda result: Decimal(result["tokens"]) / 100),
        ({"tokens": 50}, lambda result: str(result["tokens"] / 100)),
    ],
)
@pytest.mark.parametrize("workers", [1, 8])
def test_a_cost_is_read_wherever_it_stands(job: Job, result: Any, cost: Any, workers: int) -> None:
    """Two chunks at 0.50 fit into 1.0, and no third; a higher limit goes on from what was spent."""
    work = Counted(result)
    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, workers=workers, max_cost=1.0, cost=cost))
    assert (work.calls, caught.value.spent, caught.value.dearest_cost) == (2, 1.0, 0.5)
    with pytest.raises(BudgetReached):
        list(job.map(work, workers=workers, max_cost=2.2, cost=cost))
    assert work.calls == 4


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("function", "seen"),
    [
        (lambda result: result["absent"], "KeyError('absent')"),
        (lambda _: None, "None"),
        (lambda _: -1, "-1"),
        (lambda _: float("nan"), "nan"),
    ],
)
def test_a_function_that_gives_no_amount_pauses(job: Job, function: Callable[[Any], Any], seen: str) -> None:
    """What it gave, or raised, is in the error."""
    with pytest.raises(CostUnknown) as caught:
        list(job.map(Counted({"text": "x"}), max_cost=1.0, cost=function))
    assert (caught.value.value, caught.value.chunk_index, caught.value.fields) == (seen, 0, ("text",))
    assert caught.value.field.endswith("<lambda>(result)")


@each_case("cost", ["", "usage.", 'a"b', None, 5])
def test_a_cost_that_says_no_place_is_refused_before_anything_is_called(job: Job, cost: Any) -> None:
    """A cost that names no place is refused before a call, also where there is no budget."""
    work = Counted("x")
    with pytest.raises(InvalidArgumentError, match="dotted path"):
        list(job.map(work, cost=cost))
    assert work.calls == 0


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["cost", lambda result: result["cost"]])
def test_the_costs_of_many_results_are_added_up(store: CheckpointStore, cost: Any) -> None:
    """More than are read at a time, numbers and texts, each once."""
    job = store.open_job("f", total_chunks=9001)
    job.complete_many((index, {"cost": 0.5 if index % 2 else "0.5"}) for index in range(9000))
    found = job._execution.recorded.costs_after(0, cost)
    assert (found.priced, found.total, found.unreadable) == (9000, 4500.0, None)
    job.complete(9000, {"cost": 1})
    assert job._execution.recorded.costs_after(found.last_result, cost).total == 1.0


# -- where else costs are added up


def test_costs_in_texts_count_in_totals_and_in_a_plan(job: Job) -> None:
    """A cost that is a text counts in totals and plans as in a budget; other texts add nothing."""
    job.complete_many([(0, {"cost": "0.50"}), (1, {"cost": 0.25}), (2, {"cost": "much"}), (3, {"cost": "1e999"})])
    assert job.totals("cost") == {"cost": 0.75}
    plan = job.plan()
    assert (plan.spent, plan.estimated_cost) == (0.75, 0.375 * 8)


@pytest.mark.parametrize(("max_cost", "calls"), [(None, 1), (100, 2)])
def test_a_function_is_asked_for_a_cost_once_and_once_more_for_a_budget(
    job: Job, max_cost: float | None, calls: int
) -> None:
    """The record, the event and the sum of the run take the first answer; a budget adds up what the store has."""
    asked: list[Any] = []
    told: list[float | None] = []

    def cost(result: Any) -> float:
        asked.append(result)
        return 0.5

    list(job.map(Counted("result"), cost=cost, max_cost=max_cost, on_event=lambda event: told.append(event.cost)))
    assert len(asked) == calls * len(CHUNKS)
    assert told.count(0.5) == len(CHUNKS)
    assert job.last_run is not None
    assert job.last_run.cost == 6.0
