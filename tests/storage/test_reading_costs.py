"""What calls take beside many rows, counted in steps of SQLite, pages kept and calls of functions: no clock is in it."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.model.reports import prune_request
from checkpoint_store.storage.connection.pragmas import READ_CACHE_KIBIBYTES
from checkpoint_store.storage.records.records import NO_COSTS
from checkpoint_store.storage.statements import costs
from checkpoint_store.storage.statements.attempts import attempt_log, reservations
from checkpoint_store.storage.statements.attempts.runners import runners_at_work
from checkpoint_store.storage.statements.jobs import job_summaries, pruning
from checkpoint_store.storage.statements.jobs.jobs import find_job
from checkpoint_store.storage.statements.results import completed_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.model.reports import Prunable, PruneRequest
    from checkpoint_store.storage.records.records import Costs

DONE = 1000
FAILURES = 300
JOBS = 40
STEPS_OF_A_CHUNK_MAX = 5.0
"""A count takes three steps for each chunk. A search for a mark at each chunk took fourteen."""
RUNNERS = """
WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 20)
INSERT INTO runners (job_id, lock_file, host, pid, exclusive, started_at, ended_at)
SELECT job_id, job_id || number, 'here', 1, 0, started_at, updated_at FROM jobs, numbers
"""
"""Adds twenty runners that have ended to each job."""
STEPS_OF_A_JOB_MAX = 30
"""A job without results is read once. With each of ten handles, and the row of the job, it took hundreds."""
CALLS_OF_A_RESULT_MAX = 3.5
"""The generator, the result, its JSON text; calls for a whole page are shared by its results."""


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job with all but its last chunk complete."""
    job = store.open_job("talk.srt", total_chunks=DONE + 1)
    job.complete_many((index, {"cleaned_text": f"number {index}"}) for index in range(DONE))
    return job


@contextmanager
def counted_steps(connection: sqlite3.Connection) -> Iterator[list[None]]:
    """Collect one item for each step that SQLite takes on the connection."""
    steps: list[None] = []
    connection.set_progress_handler(lambda: steps.append(None), 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


def test_chunks_that_are_done_are_passed_over_by_a_bare_count(job: Job) -> None:
    """The first pending chunk of a large job that is nearly done is found in the time of a count."""
    steps: list[None] = []

    def count(connection: sqlite3.Connection) -> list[int]:
        with counted_steps(connection) as taken:
            done = completed_in(connection, job.job_id, 0, DONE)
        steps.extend(taken)
        return done

    assert job._context.storage.database.read(count) == list(range(DONE))
    assert len(steps) / DONE < STEPS_OF_A_CHUNK_MAX


def test_results_with_copies_are_sorted_once_for_many_of_them(job: Job) -> None:
    """What a job with a damaged result has cost is read in few pages: for each of them all chunks of the job are sorted."""
    substitutes = {"the digest of a damaged result": "{}"}
    asked: list[str] = []

    def read(connection: sqlite3.Connection) -> Costs:
        connection.set_trace_callback(asked.append)
        found = costs.costs_of_pages(
            lambda after: costs.page(connection, job.job_id, after, len, substitutes=substitutes), 0, len
        )
        connection.set_trace_callback(None)
        return found

    assert job._context.storage.database.read(read).priced == DONE
    assert len([text for text in asked if "ORDER BY completed_chunks.result_id" in text.replace("\n", " ")]) == 2


def test_a_mark_counts_only_at_a_chunk_that_is_complete(job: Job) -> None:
    """A chunk to be done again is handed out, and a mark that a merge left at an incomplete chunk hides no other."""
    job.redo([3])
    mark = "INSERT INTO chunk_redos SELECT job_id, ?, asked_at, after_attempt FROM chunk_redos"
    database = job._context.storage.database
    database.write(lambda connection: connection.execute(mark, (DONE,)))
    done = database.read(lambda connection: completed_in(connection, job.job_id, 0, DONE + 1))
    assert done == [index for index in range(DONE) if index != 3]
    assert [range(3, 4), range(DONE, DONE + 1)] == job.remaining()


@pytest.mark.slow
def test_the_costs_of_more_carried_results_are_read_in_pages(store: CheckpointStore) -> None:
    """Four times as many results of another job take about four times as many steps: no page looks through all."""
    counts, taken = (DONE // 4, DONE), []
    steps: list[None] = []
    storage = store._context.storage
    storage.database.read(lambda connection: connection.set_progress_handler(lambda: steps.append(None), 1))
    for count in counts:
        chunks = [f"{number} of {count}" for number in range(count)]
        store.open_job(f"{count}.srt", chunks=chunks).complete_many((index, {"cost": 1}) for index in range(count))
        job = store.open_job(f"{count} again.srt", chunks=chunks, on_change="reuse")
        steps.clear()
        assert job.costs(lambda result: result["cost"]).carried == count
        taken.append(len(steps))
    assert 0 < taken[1] <= 1.2 * taken[0] * counts[1] / counts[0]


def test_runners_that_have_ended_are_not_read(store: CheckpointStore) -> None:
    """The runners at work, on one job or on any, are found in the same steps after any number of runs."""
    job = store.open_job("talk.srt", total_chunks=1)
    at_work = [store._context.storage.claims.runners.register(job.job_id, exclusive=False) for _ in range(2)]

    def taken(connection: sqlite3.Connection) -> list[int]:
        counts = []
        for job_id in (job.job_id, None):
            with counted_steps(connection) as steps:
                assert [runner.runner_id for runner in runners_at_work(connection, job_id)] == at_work
            counts.append(len(steps))
        return counts

    database = store._context.storage.database
    before = database.write(taken)
    database.write(lambda connection: connection.execute(RUNNERS))
    assert database.write(taken) == before


@pytest.mark.slow
def test_a_chunk_that_fails_all_night_does_not_slow_down_the_job(job: Job) -> None:
    """A failure beside hundreds of failures of the chunk takes the steps of a failure beside ten."""
    steps = [0]

    def step() -> None:
        steps[-1] += 1

    job._context.storage.database.write(lambda connection: connection.set_progress_handler(step, 1))
    for _ in range(FAILURES):
        steps.append(0)
        job.fail_chunk(DONE, "no")
    assert 0 < steps[-1] <= 1.2 * steps[10]


def test_the_failures_of_other_jobs_do_not_slow_down_a_job(store: CheckpointStore) -> None:
    """A budget, a list of failed chunks, and a retry take the same steps beside any number of failures elsewhere."""
    job, other = (store.open_job(name, total_chunks=FAILURES) for name in ("talk.srt", "other.srt"))
    job.fail_chunk(0, "no")
    verbs: list[Callable[[sqlite3.Connection], Any]] = [
        lambda connection: reservations.spending(connection, job.job_id, NO_COSTS),
        lambda connection: attempt_log.latest(connection, job.job_id, store.path, outcomes=("failed", "abandoned")),
        lambda connection: attempt_log.retry_failed(connection, job.job_id, []),
        lambda connection: job_summaries.summaries(
            connection, [find_job(connection, job.job_id, store.path)], store.path
        ),
    ]

    def taken(connection: sqlite3.Connection) -> list[int]:
        counts = []
        for verb in verbs:
            with counted_steps(connection) as steps:
                verb(connection)
            counts.append(len(steps))
        return counts

    database = job._context.storage.database
    alone = database.write(taken)
    for index in range(FAILURES):
        other.fail_chunk(index, "no")
    beside_failures = database.write(taken)
    assert [steps <= 1.2 * before for steps, before in zip(beside_failures, alone, strict=True)] == [True] * len(verbs)


@pytest.mark.parametrize("name", ["page {}".format, int, "\u00e9{}".format], ids=["text", "number", "not ASCII"])
def test_a_key_is_found_without_a_look_at_other_keys(store: CheckpointStore, name: Callable[[int], Any]) -> None:
    """A key is looked up by an index, and not among the keys of all chunks, however it may be spelt."""
    keys = [name(number) for number in range(DONE)]
    job = store.open_job("book", chunks=dict.fromkeys(keys, "page"))
    steps: list[None] = []
    storage = job._context.storage
    storage.database.read(lambda connection: connection.set_progress_handler(lambda: steps.append(None), 1))
    assert storage.keys.index_of(job.job_id, keys[-1]) == DONE - 1
    assert 0 < len(steps) < DONE / 10


@pytest.mark.slow
def test_the_handles_of_other_chunks_do_not_slow_down_an_opening(store: CheckpointStore) -> None:
    """A new job takes over the handle of its chunk without a look at the jobs that have handles of other chunks."""
    steps = [0]

    def step() -> None:
        steps[-1] += 1

    def opened(name: str) -> Job:
        steps.append(0)
        return store.open_job(name, chunks=["held", "new"], on_change="reuse")

    store.open_job("held.srt", chunks=["held"]).record_handle([0], "batch")
    store._context.storage.database.write(lambda connection: connection.set_progress_handler(step, 1))
    jobs = [opened("first.srt")]
    for number in range(JOBS):
        steps.append(0)
        others = [f"other {number}.{index}" for index in range(10)]
        store.open_job(f"{number}.srt", chunks=others).record_handle(range(10), f"batch-{number}")
    jobs.append(opened("last.srt"))
    steps.append(0)
    assert [[chunk.handle for chunk in job.pending()] for job in jobs] == [["batch", None]] * 2
    assert (steps[-2] - steps[1]) / JOBS < STEPS_OF_A_JOB_MAX


@pytest.mark.slow_variants
@pytest.mark.parametrize("read_only", [False, True])
def test_a_connection_that_reads_keeps_few_pages(job: Job, open_store: Opener, *, read_only: bool) -> None:
    """A stream of a million results goes through memory that the processor still has at hand."""
    assert job
    with closing(open_store(read_only=read_only)) as store:
        database: Any = store._context.reading.jobs._database  # type: ignore[union-attr]
        assert database.read_row("PRAGMA cache_size", ()) == (-READ_CACHE_KIBIBYTES,)


def test_a_result_takes_few_calls_of_functions(job: Job) -> None:
    """Reading all results costs hardly more than their pages, their digests and their JSON text."""
    calls: list[str] = []
    results = job.results(missing="skip")
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        read = [*results]
    finally:
        sys.setprofile(None)
    assert len(read) == DONE
    assert len(calls) / DONE < CALLS_OF_A_RESULT_MAX, sorted(set(calls))


def test_pruning_more_jobs_reads_no_result_or_runner_again(open_store: Opener) -> None:
    """Four times as many jobs take about four times as many steps to prune: no job takes a pass of its own over a table."""
    jobs, taken = (10, 40), []
    for count in jobs:
        with open_store(f"{count}.db", state_file=None) as store:
            for number in range(count):
                store.open_job(f"{number}.srt", total_chunks=20).complete_many((index, {}) for index in range(20))
            request = prune_request(0, None)
            database, path = store._context.storage.database, store.path
            database.write(lambda connection: connection.execute(RUNNERS))

            def prune(
                connection: sqlite3.Connection, path: Path = path, request: PruneRequest = request
            ) -> tuple[Prunable, int]:
                with counted_steps(connection) as steps:
                    return pruning.prune(connection, path, request), len(steps)

            pruned, steps = database.write(prune)
            assert len(pruned.jobs) == count
            assert store.check() == []
            taken.append(steps)

    assert taken[1] / taken[0] < 1.5 * jobs[1] / jobs[0]
