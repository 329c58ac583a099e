"""A failed try whose cost cannot be read is not taken for nothing, wherever the cost stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import BudgetReached, CheckpointStore
from checkpoint_store.loop.service.retry_policy import as_work_failed

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):
    """The answer of a service, which names its price in words."""

    def __init__(self) -> None:
        super().__init__("refused")
        self.cost = "0.50 USD"


def refuse(_: int) -> None:
    raise Refused


def wrap(_: int) -> None:
    try:
        raise Refused
    except Refused as error:
        raise RuntimeError("no answer") from error


def gather(_: int) -> None:
    raise ExceptionGroup("of two calls", [Refused()])


def without_pickle(_: int) -> None:
    raise as_work_failed(Refused(), "refused", "")


@pytest.mark.slow_variants
@pytest.mark.parametrize("work", [refuse, wrap, gather, without_pickle])
def test_it_reserves_what_the_last_call_cost(store: CheckpointStore, work: Callable[[int], Any]) -> None:
    """A failed try with an unreadable cost keeps its reservation, in whichever exception or process it failed."""
    job = store.open_job("talk.srt", total_chunks=9)
    job.complete(8, {"cost": 0.5})
    with pytest.raises(BudgetReached) as reached:
        list(job.map(work, on_error="record", retry_on=(), max_cost=1.0))
    assert (reached.value.spent, reached.value.reserved) == (0.5, 0.5)
