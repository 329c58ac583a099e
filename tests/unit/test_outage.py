"""What a loop knows of a service: told of successes and failures, asked when to go on and which failures count."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.loop.outage import LATE, Outage
from checkpoint_store.loop.service.service_errors import Trouble

DOWN = ConnectionError("the line is down")
SERVICE_TROUBLES = [trouble for trouble in Trouble if trouble is not Trouble.NONE]


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Told:
    """An outage, its clock, and the failures that it was told of."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.outage = Outage(60.0, self.clock)

    def fails(self, stretch: int | None = None, *, wait: float = 1.0, is_asked: bool = False) -> None:
        at = self.outage.stretch if stretch is None else stretch
        self.outage.failed(at, wait, DOWN, asked_seconds=wait if is_asked else None)

    def waits(self) -> None:
        self.clock.now = max(self.clock.now, self.outage.opens_at(0))


@pytest.fixture
def told() -> Told:
    return Told()


def test_without_trouble_there_is_no_limit(told: Told) -> None:
    """A loop whose calls succeed is held back by nothing."""
    assert told.outage.opens_at(1000) == 0.0
    assert not told.outage.is_on
    assert not told.outage.is_probing


def test_a_failure_makes_the_whole_loop_wait_and_then_one_call_is_made(told: Told) -> None:
    """After a failure the whole loop waits, whatever its workers, and then makes one call."""
    told.fails(wait=5.0)
    assert told.outage.opens_at(0) == 105.0
    told.clock.now = 105.0
    assert told.outage.opens_at(0) == 0.0
    assert told.outage.opens_at(1) == math.inf
    assert told.outage.is_probing


def test_the_number_in_flight_doubles_with_each_round(told: Told) -> None:
    """After an outage one, two, four and then eight calls are in flight: a service that comes back is not flooded."""
    told.fails()
    told.waits()
    rounds = []
    for _ in range(5):
        in_flight = 0
        while told.outage.opens_at(in_flight) == 0.0:
            in_flight += 1
        rounds.append(in_flight)
        for _ in range(in_flight):
            told.outage.completed(told.outage.stretch)
    assert rounds == [1, 2, 4, 8, 16]


def test_what_fails_in_the_same_moment_is_one_outage(told: Told) -> None:
    """Eight calls that are refused together lengthen the back-off once."""
    stretch = told.outage.stretch
    assert told.outage.waits_in_a_row(stretch) == 1
    for _ in range(8):
        told.fails(stretch)
    assert told.outage.opens_at(0) == 101.0
    assert told.outage.waits_in_a_row(stretch) == 1
    assert told.outage.waits_in_a_row(told.outage.stretch) == 2


def test_the_longest_retry_after_of_them_is_respected(told: Told) -> None:
    """The longest Retry-After is respected, even if it comes during a wait; a back-off does not lengthen it."""
    stretch = told.outage.stretch
    told.fails(stretch, wait=1.0)
    told.fails(stretch, wait=50.0)
    assert told.outage.opens_at(0) == 101.0
    told.fails(stretch, wait=30.0, is_asked=True)
    assert told.outage.opens_at(0) == 130.0
    told.fails(stretch, wait=3.0, is_asked=True)
    assert told.outage.opens_at(0) == 130.0


def test_waits_in_a_row_are_counted_until_a_success(told: Told) -> None:
    """The back-off grows with each, and begins anew after the service has answered."""
    for waits in (1, 2, 3):
        assert told.outage.waits_in_a_row(told.outage.stretch) == waits
        told.fails()
        told.waits()
    assert told.outage.is_long
    told.outage.completed(told.outage.stretch)
    assert told.outage.waits_in_a_row(told.outage.stretch) == 1
    assert not told.outage.is_long


def test_a_success_of_before_the_outage_says_nothing_about_it(told: Told) -> None:
    """A call that was accepted before the service went away neither opens the gate nor blames a chunk."""
    before = told.outage.stretch
    told.fails()
    told.waits()
    told.fails()
    told.outage.completed(before)
    assert told.outage.opens_at(0) > told.clock.now
    assert not told.outage.counts(Trouble.NO_ANSWER, told.outage.stretch, is_alone=False)
    assert told.outage.waits_in_a_row(told.outage.stretch) == 3


@pytest.mark.parametrize(
    ("trouble", "others_succeed", "is_alone", "counts"),
    [
        (Trouble.BUSY, True, True, False),
        (Trouble.BUSY, False, False, False),
        (Trouble.NO_ANSWER, True, False, True),
        (Trouble.NO_ANSWER, False, False, False),
        (Trouble.NO_ANSWER, False, True, False),
        (Trouble.ERROR, True, False, True),
        (Trouble.ERROR, False, False, False),
        (Trouble.ERROR, False, True, True),
        (Trouble.NONE, False, False, True),
        (Trouble.NONE, True, True, True),
    ],
)
def test_what_counts_against_a_chunk(
    told: Told, trouble: Trouble, *, others_succeed: bool, is_alone: bool, counts: bool
) -> None:
    """Being busy never; no answer where others get one; an error also where there is nothing else to try."""
    if others_succeed:
        told.outage.completed(told.outage.stretch)
    assert told.outage.counts(trouble, told.outage.stretch, is_alone=is_alone) is counts


def test_a_chunk_that_hangs_while_others_succeed_later_is_to_blame(told: Told) -> None:
    """A chunk that times out counts as failed if other chunks were completed since its start."""
    began_in = told.outage.stretch
    told.fails()
    told.waits()
    told.outage.completed(told.outage.stretch)
    assert told.outage.counts(Trouble.NO_ANSWER, began_in, is_alone=False)


def test_there_is_no_hope_once_nothing_has_succeeded_for_too_long(told: Told) -> None:
    """Counted from the first failure, not from the last success: a call may take an hour."""
    told.outage.completed(told.outage.stretch)
    told.clock.now += 10_000
    told.fails()
    assert told.outage.seconds == 0
    told.clock.now += 59.9
    told.fails()
    assert not told.outage.has_lasted_too_long(0)
    told.clock.now += 0.1
    assert told.outage.has_lasted_too_long(0)
    assert not told.outage.has_lasted_too_long(1), "a call that is still in flight may succeed"
    told.outage.completed(LATE)
    assert not told.outage.has_lasted_too_long(0)


def test_the_loop_looks_when_hope_ends_and_not_when_an_hour_is_over(told: Told) -> None:
    """A Retry-After that is longer than the loop would wait."""
    told.fails(wait=3600.0, is_asked=True)
    assert told.outage.opens_at(0) == 160.0


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "success", "failure", "asked", "time"]), st.integers(0, 7)), max_size=200
)


@given(STEPS)
def test_it_never_starts_beyond_its_rounds_nor_blames_in_an_outage(steps: list[tuple[str, int]]) -> None:
    """However calls begin, succeed, fail and drag on: the promises hold after each step."""
    told, in_flight, successes, starts = Told(), [], {}, {}
    for step, number in steps:
        outage = told.outage
        mine = sum(stretch == outage.stretch for stretch in in_flight)
        if step == "time":
            told.clock.now += number
        elif step == "start":
            if outage.opens_at(mine) <= told.clock.now:
                in_flight.append(outage.stretch)
                starts[outage.stretch] = starts.get(outage.stretch, 0) + 1
        elif in_flight:
            stretch = in_flight.pop(number % len(in_flight))
            if step == "success":
                successes[stretch] = successes.get(stretch, 0) + 1
                outage.completed(stretch)
            else:
                others = any(later >= stretch for later in successes)
                for trouble in Trouble:
                    expected = {Trouble.BUSY: False, Trouble.NONE: True}.get(trouble, others)
                    assert outage.counts(trouble, stretch, is_alone=False) is expected
                must_wait = number > 0 and (step == "asked" or stretch == outage.stretch)
                told.fails(stretch, wait=float(number), is_asked=step == "asked")
                assert not must_wait or outage.opens_at(0) > told.clock.now or outage.has_lasted_too_long(0)
        # In a stretch after a failure, no more was started than one, and two for each success in it.
        for stretch, count in starts.items():
            assert stretch == 0 or count <= 1 + 2 * successes.get(stretch, 0)


def test_a_late_result_ends_the_growth_of_the_waits() -> None:
    """Where the time limit is too short for a service that works, the loop does not wait longer each time."""
    told = Told()
    for _ in range(5):
        told.fails()
    assert told.outage.waits_in_a_row(told.outage.stretch) > 3
    told.outage.completed(LATE)
    assert told.outage.waits_in_a_row(told.outage.stretch) == 1


def test_only_chunks_that_failed_since_the_last_success_are_named() -> None:
    """A person who reads which chunks were tried in an outage sees no chunk of an earlier outage."""
    outage = Outage(60.0, Clock())
    outage.failed(outage.stretch, 1.0, DOWN, chunk_index=7)
    outage.completed(outage.stretch)
    outage.failed(outage.stretch, 1.0, DOWN, chunk_index=3)
    assert outage.tried == [3]


def test_a_call_that_was_kept_back_is_made_before_the_service_is_given_up(told: Told) -> None:
    """A loop whose body took too long, or that a limit held back, has not asked the service again."""
    told.fails()
    told.clock.now += 3600.0
    assert not told.outage.has_lasted_too_long(0)
    assert told.outage.opens_at(0) == 0.0
    assert told.outage.has_lasted_too_long(0, lambda: False)
    told.fails(wait=0.0)
    assert told.outage.has_lasted_too_long(0)


def test_a_wait_that_the_service_asks_for_beyond_the_end_leaves_no_call(told: Told) -> None:
    """A service that asks for a longer wait than the loop has left gets no further call, unless a call succeeds."""
    told.fails(wait=59.0, is_asked=True)
    assert told.outage.asked_in_vain == 0.0
    told.fails(stretch=0, wait=90.0, is_asked=True)
    assert told.outage.asked_in_vain == 90.0
    told.outage.completed(0)
    assert told.outage.asked_in_vain == 0.0


def test_a_growing_wait_is_waited_for_up_to_the_end(told: Told) -> None:
    """Only a wait that the service asks for ends the loop early."""
    told.fails(wait=90.0)
    assert told.outage.asked_in_vain == 0.0
