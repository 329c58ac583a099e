"""A budget holds over workers, tries, loops and processes: nothing starts that does not fit by what is known."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    BudgetReached,
    CheckpointStore,
    ChunkFailed,
    CostUnknown,
    InvalidArgumentError,
    InvalidResultError,
    Job,
    StorageFullError,
)
from checkpoint_store.storage.verbs.budgets import BudgetStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children, Opener

CHUNKS = [f"chunk {index}" for index in range(64)]


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A new job of sixty-four chunks."""
    return store.open_job("f", chunks=CHUNKS)


class Priced:
    """Work that costs this, call by call, the last price again and again; it knows how many calls run at a time."""

    def __init__(self, *prices: float) -> None:
        self.prices = prices
        self.calls = 0
        self.at_work = 0
        self.at_work_most: list[int] = []
        """How many calls ran when each call ended."""
        self._lock = threading.Lock()

    def __call__(self, text: str) -> dict[str, Any]:
        with self._lock:
            self.calls += 1
            self.at_work += 1
            price = self.prices[min(self.calls, len(self.prices)) - 1]
        time.sleep(0.02)  # long enough that the others of its kind run meanwhile
        with self._lock:
            self.at_work_most.append(self.at_work)
            self.at_work -= 1
        return {"text": text, "cost": price}


class Refused(Exception):  # as services name theirs
    """A call that failed, and was billed."""

    def __init__(self, cost: Any) -> None:
        super().__init__("refused")
        self.cost = cost


def spent(job: Job) -> float:
    return round(job.totals("cost")["cost"], 6)


def after_some_looks(event: threading.Event) -> Callable[[], bool]:
    """Return a ``stop_when`` that sets an event once a loop has looked several times whether it may start a chunk."""
    looks: list[bool] = []

    def look() -> bool:
        looks.append(True)
        if len(looks) == 8:
            event.set()
        return False

    return look


# -- what is in work


def test_a_cheap_first_chunk_is_no_leave_for_all_workers(job: Job) -> None:
    """0.01, then 0.5 each, with 32 workers and a budget of 1.0: it was 16.0. Two start after the first."""
    work = Priced(0.01, 0.5)
    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, workers=32, max_cost=1.0))
    assert (work.calls, spent(job), job.status) == (3, 1.01, "paused")
    assert (round(caught.value.spent, 6), caught.value.dearest_cost, caught.value.reserved) == (1.01, 0.5, 0.0)


def test_the_number_in_work_doubles(store: CheckpointStore) -> None:
    """Under a budget one, two, four and then all workers start, so a large budget does not slow a loop for long."""
    job = store.open_job("fifteen", chunks=CHUNKS[:15])
    first, eight = Priced(0.01), threading.Barrier(8)

    def work(text: str) -> dict[str, Any]:
        if CHUNKS.index(text) < 7:
            return first(text)
        eight.wait(60)  # fails where the last eight are not in work at the same time
        return {"cost": 0.01}

    list(job.map(work, workers=8, max_cost=100.0))
    assert first.at_work_most[0] == 1
    assert max(first.at_work_most[1:3]) <= 2
    assert max(first.at_work_most[3:7]) <= 4


@pytest.mark.slow
def test_what_is_in_work_is_counted_with_the_dearest_result(job: Job) -> None:
    """Each attempt reserves the dearest result so far, and not the mean."""
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.4, 0.01), workers=1, max_cost=1.0))
    assert 0.6 <= caught.value.spent <= 0.62


def test_two_loops_of_one_process_share_a_budget(job: Job) -> None:
    """Two threads on the same job: what the one has in work, the other counts."""
    work = Priced(0.01, 0.5)
    errors: list[Exception] = []

    def drive() -> None:
        try:
            list(job.map(work, workers=8, max_cost=1.0))
        except BudgetReached as error:
            errors.append(error)

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(errors), spent(job)) == (2, 1.01)


def test_a_loop_that_was_left_in_the_middle_is_not_waited_for(job: Job) -> None:
    """A loop does not wait for a loop that its own thread left in the middle; that loop's reservation counts."""
    go_on = threading.Event()

    def work(text: str) -> dict[str, Any]:
        assert text != "chunk 2" or go_on.wait(60)
        return {"cost": 0.4}

    left = job.map(work, workers=2, max_cost=1.3)
    try:
        assert [next(left).index, next(left).index] == [0, 1]
        with pytest.raises(BudgetReached) as caught:
            list(job.map(work, max_cost=1.3))
    finally:
        go_on.set()
    assert (caught.value.spent, caught.value.reserved) == (0.8, 0.4)


FOUR = program(__file__, "within_budget")


@pytest.mark.slow
def test_four_processes_share_a_budget(children: Children, open_store: Opener) -> None:
    """Four processes that start together keep a shared budget, and each of them says that it is reached."""
    open_store().open_job("f", chunks=CHUNKS)
    assert children.together(4, FOUR) == ["reached\n"] * 4
    job = open_store().latest_job()
    assert job is not None
    # 0.01 is known when two start, which cost 0.3 each.
    assert 2.7 <= spent(job) <= 3.0 + 2 * (0.3 - 0.01)


def test_a_loop_waits_for_what_another_may_not_spend(job: Job, open_store: Opener) -> None:
    """A chunk in work elsewhere holds the rest of the budget. It costs less than that, so the loop goes on."""
    other = open_store().latest_job()
    assert other is not None
    job.complete(63, {"cost": 0.5})
    held, go_on = threading.Event(), threading.Event()

    def slow(_: str) -> dict[str, float]:
        held.set()
        assert go_on.wait(60)
        return {"cost": 0.125}

    def drive() -> None:
        for _ in other.map(slow, max_cost=1.0, stop_when=go_on.is_set, on_pause="return"):
            pass

    thread = threading.Thread(target=drive)
    thread.start()
    assert held.wait(60)
    work = Priced(0.125)
    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, max_cost=1.2, stop_when=after_some_looks(go_on)))
    thread.join()
    assert (work.calls, caught.value.spent) == (1, 0.75)
    assert job.last_run is not None
    assert job.last_run.waited_for_limits_seconds > 0


# -- tries that failed


def test_what_failed_tries_cost_counts(job: Job) -> None:
    """Four tries at 0.25 that failed are a budget of 1.0, though there is no result."""
    calls = []

    def work(text: str) -> None:
        calls.append(text)
        raise Refused(0.25)

    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, on_error="record", retry_on=Refused, wait=0, max_cost=1.0))
    assert (len(calls), caught.value.spent, caught.value.dearest_cost) == (4, 1.0, 0.25)
    assert job.last_run is not None
    assert (job.last_run.cost, dict(job.last_run.retries)) == (1.0, {"Refused": 3})


def test_a_failed_try_of_ones_own_loop_counts(job: Job) -> None:
    """The cost given to ``chunk.fail``, ``job.fail_chunk``, or an exception counts for the budget of later runs."""
    pending = job.pending()
    next(pending).fail("no", cost=0.25)
    next(pending).fail(Refused(0.25))
    pending.close()  # type: ignore[attr-defined]
    job.fail_chunk(9, "no", cost=0.25)
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.25), max_cost=1.0))
    assert (caught.value.spent, spent(job)) == (1.0, 0.25)


@each_case("cost", [-1, float("nan"), True, "much", 1e300])
def test_a_cost_that_is_no_amount_is_refused(job: Job, cost: Any) -> None:
    """A cost that is no amount is refused, and nothing is recorded."""
    with pytest.raises(InvalidArgumentError, match="cost"):
        job.fail_chunk(0, "no", cost=cost)
    assert job.errors() == []


def billed_and_odd(text: str) -> None:
    """Fail in another process, with an exception that cannot be sent home."""

    class Odd(Refused):
        pass

    raise Odd(0.5 if text else 0)


@pytest.mark.slow
def test_a_failed_try_in_another_process_counts(job: Job) -> None:
    """The cost of a failed try in another process counts, even if its exception cannot be pickled."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool, pytest.raises(BudgetReached) as caught:
        list(job.map(billed_and_odd, executor=pool, on_error="record", max_attempts=1, max_cost=1.0))
    assert caught.value.spent == 1.0


def test_a_result_that_cannot_be_stored_was_paid_for(job: Job) -> None:
    """The next run counts what it cost."""
    with pytest.raises(InvalidResultError):
        list(job.map(lambda _: {"cost": 0.75, "at": datetime.now(UTC)}, max_cost=1.0))
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.25), max_cost=1.0))
    assert caught.value.spent == 0.75


def test_a_try_that_took_too_long_may_be_billed(job: Job) -> None:
    """What it reserved stays reserved until its chunk is done."""
    job.complete(63, {"cost": 0.5})
    end = threading.Event()

    def work(_: str) -> dict[str, float]:
        assert end.wait(60)
        return {"cost": 0.5}

    try:
        with pytest.raises(BudgetReached) as caught:
            list(job.map(work, timeout_seconds=0.2, max_attempts=9, wait=0, max_cost=1.0))
    finally:
        end.set()
    assert (caught.value.spent, caught.value.reserved) == (0.5, 0.5)
    assert "calls without an answer may have cost 0.5 more" in str(caught.value)
    assert "TimeoutError: it took longer than 0.2 s: see first that the service answers" in str(caught.value)


@pytest.mark.slow_variants
@pytest.mark.parametrize("price", [-0.5, "0.50 USD", Decimal("NaN"), 1e300])
def test_a_failed_try_whose_cost_cannot_be_read_keeps_its_reservation(
    job: Job, price: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed try whose cost cannot be read keeps its reservation, and the log names the unreadable cost."""
    job.complete(63, {"cost": 0.5})

    def work(_: str) -> None:
        raise Refused(price)

    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, max_attempts=9, wait=0, max_cost=1.0))
    assert (caught.value.spent, caught.value.reserved, caught.value.last_error) == (0.5, 0.5, None)
    assert f"cost {price!r}, which is no amount" in caplog.text


@pytest.mark.slow_variants
@pytest.mark.parametrize("price", [-0.5, "0.50 USD", 1e300, None])
def test_a_result_whose_cost_is_no_amount_is_recorded(store: CheckpointStore, price: Any) -> None:
    """The result is paid for; only a loop that has to keep a budget stops at it, and names chunk, field and value."""
    job = store.open_job("odd", chunks=["a", "b"])
    with pytest.raises(CostUnknown) as caught:
        list(job.map(lambda text: {"text": text, "cost": price}, max_cost=1.0))
    assert (caught.value.chunk_index, caught.value.field, job.result(0)["cost"]) == (0, "cost", price)
    assert str(price)[:20] in str(caught.value)
    assert (job.costs().cost, job.costs().unreadable_chunk) == (None, 0)
    assert len(list(job.map(lambda text: {"text": text, "cost": price}))) == 1


@pytest.mark.parametrize(("error", "reserved"), [(ConnectionResetError, 0.5), (ConnectionRefusedError, 0.0)])
def test_a_call_without_an_answer_may_be_billed(job: Job, error: type[OSError], reserved: float) -> None:
    """A connection that broke before the answer came may be billed; a call that no service received is not."""
    job.complete(63, {"cost": 0.5})
    calls = []

    def work(text: str) -> dict[str, float]:
        calls.append(text)
        if len(calls) == 3:
            return {"cost": 0.5}
        raise error

    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, max_attempts=9, wait=0, max_cost=1.0))
    assert (caught.value.reserved, len(calls)) == (reserved, 1 if reserved else 3)


def test_a_result_that_another_one_forestalled_was_paid_for(job: Job, open_store: Opener) -> None:
    """A chunk that was completed from elsewhere meanwhile: both results count."""
    other = open_store().latest_job()
    assert other is not None

    def work(text: str) -> dict[str, Any]:
        if text == "chunk 0":
            other.complete(0, {"by": "hand", "cost": 0.25})
        return {"cost": 0.25}

    with pytest.raises(BudgetReached) as caught:
        list(job.map(work, max_cost=1.0))
    assert (caught.value.spent, spent(job)) == (1.0, 0.75)


@pytest.mark.slow
def test_a_late_result_and_the_next_one_are_both_paid_for(store: CheckpointStore) -> None:
    """A try that was given up gives its result all the same; so does the try that began meanwhile."""
    job = store.open_job("two", chunks=["slow", "other"])
    begun, go_on = threading.Event(), threading.Event()
    tries = []

    def work(text: str) -> dict[str, Any]:
        if text == "other":
            return {"cost": 0.25}
        tries.append(text)
        if len(tries) == 1:
            assert begun.wait(60)  # until the second try is at work
            return {"try": 1, "cost": 0.5}
        begun.set()
        assert go_on.wait(60)
        return {"try": 2, "cost": 0.5}

    for item in job.map(work, workers=2, timeout_seconds=0.5, wait=0, max_cost=100.0):
        if item.index == 0:
            assert item.result["try"] == 1
            go_on.set()
    assert job.status == "completed"
    assert job.last_run is not None
    assert job.last_run.cost == 1.25
    assert job._execution.storage.budgets.spending(job.job_id, job._execution.recorded.costs_after(0)).spent == 1.25


KILLED = program(__file__, "hang_within_budget")


def kill_at(children: Children, chunk: str) -> None:
    """Kill a process while it is at work on a chunk."""
    process = children.start(KILLED, chunk)
    assert children.next_line(process) == "at work"
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_process_killed_at_the_first_chunk_holds_up_nobody(children: Children, job: Job) -> None:
    """While no cost is known one chunk is in work over all runners, and a dead runner has none."""
    kill_at(children, "chunk 0")
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.4), max_cost=1.0))
    assert (caught.value.spent, caught.value.reserved) == (0.8, 0.0)


def test_a_killed_process_leaves_its_reservation(children: Children, job: Job) -> None:
    """The reservation of a killed process counts until its chunk is done, and delays no other runner."""
    kill_at(children, "chunk 1")
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.4), max_cost=1.0))
    assert (caught.value.spent, caught.value.reserved, spent(job)) == (0.4, 0.4, 0.4)
    job.complete(1, {"cost": 0.1})
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.4), max_cost=1.0))
    assert (round(caught.value.spent, 6), caught.value.reserved) == (0.9, 0.0)


# -- a loop that has trouble otherwise


class Breaks(ThreadPoolExecutor):
    """A pool that is broken at its first chunk."""

    def submit(self, *_: Any, **__: Any) -> Any:
        from concurrent.futures import BrokenExecutor

        raise BrokenExecutor("no")


def test_a_chunk_that_waits_for_a_new_pool_holds_up_nobody(job: Job) -> None:
    """A chunk that waits for a new pool keeps its reservation, and the loop does not wait for itself."""
    pools: Iterator[Any] = iter([Breaks(2), ThreadPoolExecutor(2)])
    with pytest.raises(BudgetReached) as caught:
        list(job.map(Priced(0.5), executor=lambda: next(pools), max_cost=1.0))
    assert caught.value.spent == 1.0


def test_a_chunk_for_which_nothing_could_be_reserved_is_free(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: the loop ends by the error. Another loop of the process is at work, and keeps its own chunk."""

    def full(*_: object) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    pending = job.pending()
    own = next(pending)
    monkeypatch.setattr(BudgetStorage, "reserve", full)
    with pytest.raises(StorageFullError):
        list(job.map(Priced(0.5), max_cost=1.0))
    assert [chunk.chunk_index for chunk in job.running_chunks()] == [own.index]
    assert job.in_doubt_chunks() == []


@pytest.mark.slow
def test_a_chunk_that_fails_for_good_leaves_no_reservation(job: Job) -> None:
    """A chunk that failed, even a chunk that stopped its loop, leaves no reservation to the next run."""

    def work(_: str) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(job.map(work, max_attempts=1, max_cost=1.0))
    with pytest.raises((BudgetReached, ChunkFailed)) as caught:
        list(job.map(Priced(0.5), workers=4, max_cost=1.0))
    assert (type(caught.value), spent(job)) == (BudgetReached, 1.0)


def test_a_function_that_finds_costs_keeps_the_budget_beside_others(job: Job) -> None:
    """Results that come meanwhile are read before a chunk starts."""
    work = Priced(0.01, 0.5)
    with pytest.raises(BudgetReached):
        list(job.map(work, workers=16, max_cost=1.0, cost=lambda result: result["cost"]))
    assert spent(job) == 1.01


def test_without_a_budget_the_store_is_not_asked(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim costs what it cost before: no reservation is made, and none is looked up."""
    for verb in ("reserve", "spending", "free"):
        monkeypatch.setattr(BudgetStorage, verb, None)
    assert len(list(job.map(Priced(0.5), workers=8))) == len(CHUNKS)


@pytest.mark.slow
def test_an_unreadable_cost_stops_what_waits_for_another_runner(job: Job, open_store: Opener) -> None:
    """A loop that waits for the budget sees that it will never know it."""
    other = open_store().latest_job()
    assert other is not None
    held, go_on = threading.Event(), threading.Event()

    def slow(_: str) -> dict[str, str]:
        held.set()
        assert go_on.wait(60)
        return {"text": "no cost"}

    def drive() -> None:
        with pytest.raises(CostUnknown):
            list(other.map(slow, max_cost=1.0))

    thread = threading.Thread(target=drive)
    thread.start()
    assert held.wait(60)
    work = Priced(0.1)
    with pytest.raises(CostUnknown):
        list(job.map(work, max_cost=1.0, stop_when=after_some_looks(go_on)))
    thread.join()
    assert work.calls == 0
