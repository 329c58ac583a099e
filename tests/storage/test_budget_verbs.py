"""What a store can do for a budget that all runners of a job share, verb by verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.late import failure_of
from checkpoint_store.model.money import Spending
from checkpoint_store.storage.records.records import (
    NO_COSTS,
    Claim,
    ClaimRequest,
    Costs,
    FailedAttempt,
    ReservationRequest,
)
from checkpoint_store.storage.verbs.budgets import Reserved

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.storage.storage import Storage

TOTAL = 6


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


@pytest.fixture
def first(store: CheckpointStore) -> Storage:
    """What one store object does."""
    return store._context.storage


@pytest.fixture
def second(open_store: Opener) -> Storage:
    """What another store object of the same file does."""
    return open_store()._context.storage


def claimed(storage: Storage, job: Job, wanted: int = 1, *, runner_id: int | None = None) -> tuple[int, list[Claim]]:
    """Return a runner, and chunks that it has claimed."""
    runner_id = runner_id or storage.claims.runners.register(job.job_id, exclusive=False)
    request = ClaimRequest(job.job_id, runner_id, [(0, TOTAL)], wanted, None, frozenset(range(TOTAL)), frozenset())
    return runner_id, storage.claims.claim(request).claims


def reserve(
    storage: Storage, job: Job, runner_id: int, claim: Claim, *, cost: Any = "cost", known: Costs = NO_COSTS
) -> Reserved:
    return storage.budgets.reserve(ReservationRequest(job.job_id, runner_id, claim, 1.0, cost, known))


def fail(storage: Storage, job: Job, runner_id: int, claim: Claim, **how: Any) -> Claim | None:
    """Let an attempt fail, and return the next one."""
    index, number = claim
    failed = FailedAttempt(
        job.job_id, index, number, runner_id, "no", 0.5, attempts_max=9, is_counted=True, tries_again=True, **how
    )
    return storage.claims.fail(failed).next_claim


def spending(storage: Storage, job: Job) -> Spending:
    return storage.budgets.spending(job.job_id, storage.results.costs_after(job.job_id, 0, "cost"))


def test_one_attempt_is_in_work_while_no_cost_is_known(job: Job, first: Storage, second: Storage) -> None:
    """Of all runners, one attempt is in work until the first result says what a chunk costs."""
    one, (chunk,) = claimed(first, job)
    other, (next_chunk,) = claimed(second, job)
    assert reserve(first, job, one, chunk) is Reserved.YES
    assert reserve(second, job, other, next_chunk) is Reserved.NO
    job.complete(chunk.chunk_index, {"cost": 0.25})
    first.claims.runners.end(job.job_id, one, begun=())
    assert reserve(second, job, other, next_chunk) is Reserved.YES
    assert spending(first, job) == Spending(spent=0.25, reserved=0.25, in_work=1, priced=1, dearest=0.25)


def test_each_reservation_is_the_dearest_result_so_far(job: Job, first: Storage, second: Storage) -> None:
    """An attempt reserves the cost of the dearest result, even of an unseen one; what does not fit is refused."""
    one, chunks = claimed(first, job, 3)
    other, (next_chunk,) = claimed(second, job)
    job.complete_many([(4, {"cost": 0.125}), (5, {"cost": "0.25"})])
    assert [reserve(first, job, one, chunk) for chunk in chunks[:2]] == [Reserved.YES, Reserved.YES]
    assert spending(second, job) == Spending(spent=0.375, reserved=0.5, in_work=2, priced=2, dearest=0.25)
    assert reserve(second, job, other, next_chunk) is Reserved.NO


def test_a_reservation_grows_with_the_dearest_result(job: Job, first: Storage) -> None:
    """What an attempt reserved before a dear result came grows to the cost of that result."""
    one, chunks = claimed(first, job, 2)
    job.complete(5, {"cost": 0.125})
    reserve(first, job, one, chunks[0])
    job.complete(4, {"cost": 0.5})
    assert spending(first, job) == Spending(spent=0.625, reserved=0.5, in_work=1, priced=2, dearest=0.5)


def test_a_failed_try_reserves_nothing_and_its_cost_is_spent(job: Job, first: Storage) -> None:
    """A failed attempt frees its reservation, and its cost is spent; the next attempt reserves anew."""
    one, (chunk,) = claimed(first, job)
    reserve(first, job, one, chunk)
    following = fail(first, job, one, chunk, cost=0.375)
    assert spending(first, job) == Spending(spent=0.375, reserved=0.0, in_work=0, priced=1, dearest=0.375)
    assert following == Claim(0, 2)
    assert reserve(first, job, one, following) is Reserved.YES
    assert spending(first, job).reserved == 0.375


def test_a_failed_try_that_cost_nothing_says_nothing_of_costs(job: Job, first: Storage) -> None:
    """A service that refuses for nothing is no reason to start thirty-two calls."""
    one, (chunk,) = claimed(first, job)
    reserve(first, job, one, chunk)
    fail(first, job, one, chunk, cost=0.0)
    assert spending(first, job).priced == 0


@pytest.mark.parametrize("how", ["killed", "timed out"])
def test_a_chunk_in_doubt_stays_counted_until_it_is_done(job: Job, first: Storage, second: Storage, how: str) -> None:
    """A chunk in doubt may have been billed, so it stays counted; it does not hold up other runners."""
    job.complete(5, {"cost": 0.5})
    one, (chunk,) = claimed(first, job)
    reserve(first, job, one, chunk)
    if how == "killed":
        first.claims.note_begun(one, [chunk])
        first.claims.runners.drop(one)
        assert not second.claims.runners.others_at_work(job.job_id, own_runner_id=None)
    else:
        fail(first, job, one, chunk, may_be_billed=True)
    assert spending(second, job) == Spending(spent=0.5, reserved=0.5, in_work=0, priced=1, dearest=0.5)
    job.complete(chunk.chunk_index, {"cost": 0.25})
    assert spending(second, job) == Spending(spent=0.75, reserved=0.0, in_work=0, priced=2, dearest=0.5)


def test_what_was_paid_for_in_vain_is_spent(job: Job, first: Storage, second: Storage) -> None:
    """If another runner completed the chunk, its result stands, and the cost of both is spent."""
    one, (chunk,) = claimed(first, job)
    reserve(first, job, one, chunk)
    second.budgets.keep_failure(failure_of(job.job_id, 0, "too late", attempt=(1, None), cost=0.125))
    fail(first, job, one, chunk, cost=0.25)
    assert spending(first, job).spent == 0.375
    first.budgets.keep_failure(failure_of(job.job_id, 0, "too late again", attempt=(1, None), cost=0.5))
    assert (spending(first, job).spent, spending(first, job).in_work) == (0.875, 0)


def test_what_waits_for_its_start_reserves_nothing(job: Job, first: Storage) -> None:
    """A claim that waits for its start, or is released, reserves nothing of the budget."""
    one, chunks = claimed(first, job, 2)
    job.complete(5, {"cost": 0.25})
    for chunk in chunks:
        assert reserve(first, job, one, chunk) is Reserved.YES
    first.budgets.free(job.job_id, [(one, chunks[0])])
    assert spending(first, job).in_work == 1
    first.claims.queue_release(job.job_id, one, chunks[1], begun=False)
    first.claims.release(job.job_id)
    assert spending(first, job).in_work == 0


def test_a_function_of_the_callers_reads_new_results_first(job: Job, first: Storage) -> None:
    """The caller's cost function is called before the transaction: a runner with new results is told to read them."""
    one, (chunk,) = claimed(first, job)

    def cost(result: Any) -> float:
        return float(result["price"])

    job.complete(5, {"price": 0.25})
    assert reserve(first, job, one, chunk, cost=cost) is Reserved.STALE
    known = first.results.costs_after(job.job_id, 0, cost)
    assert reserve(first, job, one, chunk, cost=cost, known=known) is Reserved.YES


def test_nothing_is_reserved_once_a_cost_cannot_be_read(job: Job, first: Storage) -> None:
    """No runner reserves anything once the cost of a result, of whichever runner, cannot be read."""
    one, (chunk,) = claimed(first, job)
    job.complete(5, {"text": "x"})
    assert reserve(first, job, one, chunk) is Reserved.NO


def test_a_runner_reserves_for_its_own_attempts_alone(job: Job, first: Storage, second: Storage) -> None:
    """A runner neither reserves nor frees anything for the claim of another runner."""
    one, (chunk,) = claimed(first, job)
    other = second.claims.runners.register(job.job_id, exclusive=False)
    reserve(second, job, other, chunk)
    assert spending(first, job).in_work == 0
    reserve(first, job, one, chunk)
    second.budgets.free(job.job_id, [(other, chunk)])
    assert spending(first, job).in_work == 1


def test_the_living_runners_are_counted_without_a_write(job: Job, first: Storage, second: Storage) -> None:
    """Counting the living runners writes nothing, and a killed runner is not counted."""
    one = first.claims.runners.register(job.job_id, exclusive=False)
    second.claims.runners.register(job.job_id, exclusive=False)
    assert [second.runners.count(job.job_id), first.runners.count(job.job_id, but=one)] == [2, 1]
    first.claims.runners.drop(one)
    assert second.runners.count(job.job_id) == 1


def test_spending_reads_few_rows_of_a_long_job(store: CheckpointStore) -> None:
    """A hundred thousand attempts that went well are not looked through before each start."""
    from checkpoint_store.storage.statements.attempts import reservations

    job = store.open_job("long", total_chunks=3)
    statements = (reservations._COSTS, reservations._IN_DOUBT, reservations._IN_WORK)

    def plans(connection: Any) -> list[str]:
        return [
            " ".join(
                row[3]
                for row in connection.execute(f"EXPLAIN QUERY PLAN {one.text}", (job.job_id,) * one.text.count("?"))
            )
            for one in statements
        ]

    trouble, doubt, work = store._context.storage.database.read(plans)
    assert "SEARCH attempts USING INDEX ix_attempts_in_trouble" in trouble
    assert "SEARCH attempts USING INDEX ix_attempts_in_trouble" in doubt
    assert "USING INDEX ix_runners_at_work" in work
    assert "attempts USING INDEX ix_attempts_running" in work
