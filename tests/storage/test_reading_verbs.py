"""What can be read of a store, verb by verb: from a store that is open for writing, and from a read-only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkNotCompleted, JobNotFound, StorageUnavailableError, StoreClosed
from checkpoint_store.model.plan import Plan
from checkpoint_store.storage.records.open_requests import OpenRequest
from checkpoint_store.storage.records.records import Costs
from checkpoint_store.storage.storage import Reading, Storage

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.storage.verbs.job_content import JobContent

TOTAL = 5
DONE = {0: {"cost": 0.5}, 1: {"cost": "0.25"}, 4: "no cost"}
WRITING_VERBS = {name for name in vars(Storage) if not name.startswith("_")}
WRITING_PARTS = {
    "job_changes",
    "states",
    "claims",
    "budgets",
    "handles",
    "redos",
    "backups",
    "group_commit",
    "database",
}
"""The objects of a store whose verbs write."""


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of five chunks, three of them complete, one of them failed once."""
    job = store.open_job("talk.srt", total_chunks=TOTAL, model="m")
    job.complete_many(DONE.items())
    job.fail_chunk(2, "no answer")
    return job


@pytest.fixture(params=[False, True], ids=["writing", "read-only"])
def reading(request: pytest.FixtureRequest, job: Job, open_store: Opener) -> Reading:
    """The reading verbs over the file that holds the job."""
    assert job
    return open_store(read_only=request.param)._context.reading  # type: ignore[union-attr]


def test_a_read_only_store_has_the_reading_verbs_and_no_other(open_store: Opener, job: Job) -> None:
    """Nobody writes through a read-only store by mistake: there is no verb to call."""
    assert job
    context, writing = open_store(read_only=True)._context, open_store()._context
    assert type(context.reading) is Reading  # type: ignore[union-attr]
    assert {"open_job", "complete", "merge"} <= WRITING_VERBS
    assert vars(writing.reading).keys() - vars(context.reading).keys() == WRITING_PARTS  # type: ignore[union-attr]
    assert [name for name in WRITING_VERBS if hasattr(Reading, name)] == []
    with pytest.raises(StorageUnavailableError, match="read_only=True"):
        _ = context.storage  # type: ignore[union-attr]


def test_a_job_is_found_by_its_id_and_by_a_prefix(reading: Reading, job: Job) -> None:
    """What the store knows of a job comes as one record."""
    record = reading.jobs.find(job.job_id)
    assert (record.file_name, record.total_chunks, record.completed_count) == ("talk.srt", TOTAL, len(DONE))
    assert reading.jobs.find(job.job_id[:8]) == record
    with pytest.raises(JobNotFound):
        reading.jobs.find("nobody")


def test_jobs_are_listed_newest_first(reading: Reading, store: CheckpointStore, job: Job) -> None:
    """The job opened last comes first, and is the current one."""
    other = store.open_job("other.srt", total_chunks=1)
    assert [one.job_id for one in reading.jobs.matching()] == [other.job_id, job.job_id]
    assert [one.job_id for one in reading.jobs.matching(file_name="talk.srt", status="running")] == [job.job_id]
    assert [one.job_id for one in reading.jobs.matching(current=True)] == [other.job_id]
    assert len(reading.jobs.matching(limit=1)) == 1


def test_completed_chunks_are_told(reading: Reading, job: Job) -> None:
    """Which chunks are complete is known one by one, by range, and in pages."""
    assert reading.chunks.completed_in(job.job_id, 0, TOTAL) == [0, 1, 4]
    assert list(reading.chunks.completed_pages(job.job_id, TOTAL)) == [(range(TOTAL), [0, 1, 4])]
    assert [reading.chunks.is_completed(job.job_id, index) for index in range(TOTAL)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    found = reading.jobs.completed_count(job.job_id)
    assert found is not None
    assert found[0] == len(DONE)
    assert reading.jobs.completed_count("nobody") is None


def test_failures_are_told(reading: Reading, job: Job) -> None:
    """The last attempt at each chunk that is not complete is there, with its error."""
    (attempt,) = reading.chunks.last_attempts(job.job_id, "failed")
    assert (attempt.chunk_index, attempt.attempt, attempt.error) == (2, 1, "no answer")
    assert reading.chunks.last_attempts(job.job_id, "running") == []
    assert reading.jobs.failure_counts(job.job_id) == (0, 0)


def test_results_are_given_as_their_text(reading: Reading, job: Job) -> None:
    """A result comes back as it was stored, and a chunk without one is named."""
    assert reading.results.text(job.job_id, 4) == '"no cost"'
    pairs = [pair for page in reading.results.pages(job.job_id) for pair in page]
    assert [index for index, _ in pairs] == [0, 1, 4]
    with pytest.raises(ChunkNotCompleted):
        reading.results.text(job.job_id, 3)


def test_fields_and_costs_are_added_up(reading: Reading, job: Job) -> None:
    """Numbers and numeric texts count; the first result without a cost is named."""
    assert reading.results.totals(job.job_id, ("cost",)) == {"cost": 0.75}
    found = reading.results.costs_after(job.job_id, 0, "cost")
    assert isinstance(found, Costs)
    assert (found.priced, found.total) == (2, 0.75)
    assert found.unreadable is not None
    assert found.unreadable.chunk_index == 4
    assert reading.results.costs_after(job.job_id, found.last_result, "cost").priced == 0


def test_a_whole_job_is_one_moment(reading: Reading, store: CheckpointStore, job: Job) -> None:
    """A state, and a snapshot, show the job as it was when reading it began, whatever is written meanwhile."""
    assert reading.state(job.job_id).results() == DONE

    def look(snapshot: JobContent) -> list[Any]:
        before = [index for page in snapshot.completed_chunks() for index in page]
        if not seen:
            seen.append(before)
            store.job(job.job_id).complete(3, "meanwhile")
        return [before, [index for page in snapshot.chunks_with_result() for index in page]]

    seen: list[Any] = []
    before, after = reading.with_snapshot(job.job_id, look)
    assert before == after
    with pytest.raises(JobNotFound):
        reading.with_snapshot("nobody", lambda snapshot: snapshot.job)


def test_a_plan_is_told_and_nothing_written(reading: Reading, job: Job) -> None:
    """What opening a job with a request would do is known without doing it."""
    plan = Plan("talk.srt", TOTAL, "m", None, {}, None)
    assert reading.plan(OpenRequest(plan, None, None, "refuse", fresh=False), "cost").action == "resume"
    changed = Plan("talk.srt", TOTAL, "other", None, {}, None)
    assert reading.plan(OpenRequest(changed, None, None, "refuse", fresh=False), "cost").action == "refuse"
    assert reading.plan_of_rest(job.job_id, "cost").chunks_to_do == TOTAL - len(DONE)
    assert len(reading.jobs.matching()) == 1


def test_a_store_is_described_checked_and_copied(reading: Reading, tmp_path: Path) -> None:
    """A sound store has no problem, and its copy is a whole store."""
    assert (reading.facts()["jobs"], reading.facts()["completed_chunks"]) == (1, len(DONE))
    assert reading.check() == []
    reading.backup(tmp_path / "copy.db", (), replace=False)
    assert (tmp_path / "copy.db").stat().st_size > 0


def test_a_closed_store_says_so(reading: Reading, job: Job) -> None:
    """After close, each verb is refused; closing again is fine."""
    reading.close()
    reading.close()
    assert reading.closed
    with pytest.raises(StoreClosed):
        reading.jobs.find(job.job_id)
