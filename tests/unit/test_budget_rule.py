"""The rule of a budget, the token bucket, and where costs and tokens stand, each without a store."""

from __future__ import annotations

from collections import UserDict
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from each_case import each_case

from checkpoint_store.loop.gates.limits import TokenBucket
from checkpoint_store.model.money import Spending, cost_in, cost_of_error, in_work_max, tokens_in
from checkpoint_store.storage.records.records import NO_COSTS, Costs, Unreadable


def spending(**changes: Any) -> Spending:
    """What a job with four known costs has spent, with nothing in work."""
    usual: dict[str, Any] = {"spent": 1.0, "reserved": 0.0, "in_work": 0, "priced": 4, "dearest": 0.5}
    return Spending(**(usual | changes))


def test_the_number_in_work_doubles_as_costs_become_known() -> None:
    """While no cost is known one attempt is in work, then two, four and eight: a cheap first chunk proves little."""
    assert [in_work_max(priced) for priced in range(16)] == [1, 2, 2, 4, 4, 4, 4, *[8] * 8, 16]


def test_an_attempt_fits_where_the_dearest_result_fits_again() -> None:
    """An attempt fits if the dearest result fits beside all that is spent and reserved, up to rounding."""
    assert spending().allows_another(1.5)
    assert spending(spent=0.1 + 0.2, dearest=0.3).allows_another(0.6)
    assert not spending().allows_another(1.49)
    assert not spending(reserved=0.01).allows_another(1.5)


def test_an_attempt_waits_where_too_many_are_in_work_for_what_is_known() -> None:
    """An attempt waits while too few costs are known for the number in work, even if the budget has room for it."""
    assert spending(in_work=3).allows_another(100)
    assert not spending(in_work=4).allows_another(100)
    assert not spending(in_work=1, priced=0, dearest=0.0).allows_another(100)


def test_costs_add_up() -> None:
    """Costs add up to their number, sum and highest, and keep the first cost that cannot be read."""
    one, two = Unreadable(3, None), Unreadable(5, "x")
    first = NO_COSTS.followed_by(Costs(7, 2, 0.5, one, 0.4))
    assert first.followed_by(Costs(9, 1, 0.25, two, 0.25)) == Costs(9, 3, 0.75, one, 0.4)


# -- the bucket


def test_a_bucket_is_empty_at_first_and_fills_evenly() -> None:
    """Sixty in a minute are one in a second; so a program that is started again and again gains nothing."""
    bucket = TokenBucket(60, 100.0)
    assert bucket.ready_at(1, 100.0) == 101.0
    bucket.take(1, 101.0)
    assert bucket.ready_at(1, 101.5) == pytest.approx(102.0)
    bucket.take(1, 102.0)
    assert bucket.ready_at(1, 300.0) == 300.0


def test_a_bucket_saves_no_more_than_the_largest_amount() -> None:
    """After an hour of nothing one call is ready, and the next one a second later."""
    bucket = TokenBucket(60, 0.0)
    bucket.ready_at(1, 0.0)
    bucket.take(1, 3600.0)
    assert bucket.ready_at(1, 3600.0) == pytest.approx(3601.0)


def test_an_amount_of_more_than_a_minute_is_waited_for() -> None:
    """No chunk is too large to be ever done."""
    assert TokenBucket(60, 0.0).ready_at(150, 0.0) == 150.0


def test_a_debt_is_paid_back_first_and_what_was_too_much_is_given_back() -> None:
    """A call that used more than its estimate delays the next one, and one that used less does not."""
    bucket = TokenBucket(60, 0.0)
    bucket.ready_at(10, 10.0)
    bucket.take(10, 10.0)
    bucket.take(20, 10.0)
    assert bucket.ready_at(10, 10.0) == 40.0
    bucket.take(-25, 10.0)
    assert bucket.ready_at(10, 10.0) == 15.0


def test_a_new_rate_holds_from_now_on() -> None:
    """What came in before stays."""
    bucket = TokenBucket(60, 0.0)
    bucket.ready_at(10, 0.0)
    bucket.set_rate(120, 5.0)
    assert bucket.ready_at(10, 5.0) == 7.5


@each_case("per_minute", [1, 7, 60, 1000.5])
@each_case("delay", [0.0, 0.3, 7.0])
def test_in_no_minute_starts_more_than_the_limit(per_minute: float, delay: float) -> None:
    """No minute has more starts than the limit, however long a caller idles before it asks."""
    bucket, moment, starts = TokenBucket(per_minute, 0.0), 0.0, []
    while moment < 200 and len(starts) < 5000:
        moment = bucket.ready_at(1, moment + delay * (len(starts) % 3))
        bucket.take(1, moment)
        starts.append(moment)
    busiest = max(sum(first <= one < first + 60 for one in starts) for first in starts[:50])
    assert busiest <= per_minute + 1


# -- costs and tokens


class Odd(Exception):  # only a test's
    @property
    def cost(self) -> float:
        raise RuntimeError("no")


def failure(cost: Any, cause: BaseException | None = None) -> Exception:
    error = RuntimeError("refused")
    error.cost = cost  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


@each_case(
    ("error", "cost"),
    [
        (failure(0.5), 0.5),
        (failure("0.50"), 0.5),
        (failure(Decimal("0.5")), 0.5),
        (failure(0), 0.0),
        (failure(None, failure(0.25)), 0.25),
        (failure("much", failure(0.25)), 0.25),
        (ExceptionGroup("two", [failure(0.25), ValueError(), failure(0.5)]), 0.75),
        (ValueError(), None),
        (failure(-1), None),
        (failure(lambda: 1), None),
        (Odd(), None),
    ],
)
def test_a_failed_try_tells_its_cost(error: Exception, cost: float | None) -> None:
    """The cost of a failed try is an attribute of its exception or of a cause; what is no amount is ignored."""
    assert cost_of_error(error) == cost


def test_causes_that_run_in_a_circle_end() -> None:
    """Two exceptions may name each other as their cause."""
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert cost_of_error(one) is None


@each_case(
    ("result", "cost", "found"),
    [
        ({"cost": "0.5", "at": object()}, "cost", 0.5),
        ({"usage": {"cost": 0.5}}, "usage.cost", 0.5),
        ({"usage.cost": 0.25, "usage": {"cost": 0.5}}, "usage.cost", 0.25),
        (SimpleNamespace(usage=SimpleNamespace(cost=0.5)), "usage.cost", 0.5),
        ([1], lambda result: result[0], 1.0),
        ([], lambda result: result[0], None),
        ({}, "cost", None),
    ],
)
def test_the_cost_of_a_result_that_cannot_be_stored_is_read_all_the_same(result: Any, cost: Any, found: Any) -> None:
    """The cost of an unstorable result is read from a dict or from the attributes of an object."""
    assert cost_in(result, cost) == found


@each_case(
    ("result", "tokens"),
    [
        ({"total_tokens": 12, "input_tokens": 1, "output_tokens": 2}, 12),
        ({"input_tokens": 10, "output_tokens": 2}, 12),
        ({"usage": {"prompt_tokens": 10, "completion_tokens": "2"}}, 12),
        ({"input_tokens": 10}, None),
        ({"usage": "much"}, None),
        (UserDict(usage=SimpleNamespace(total_tokens=5)), 5),
        ("text", None),
        (None, None),
    ],
)
def test_a_result_says_how_many_tokens_its_call_used(result: Any, tokens: int | None) -> None:
    """The tokens of a call are read by the names of the usual services, in the result or in its ``usage``."""
    assert tokens_in(result) == tokens
