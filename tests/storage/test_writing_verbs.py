"""What can be written to a store, verb by verb: durable for another store object once the verb has returned."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    ChunkAlreadyCompleted,
    JobBusy,
    JobIncomplete,
    JobNotFound,
    JobStatus,
    PlanChanged,
    ProcessingState,
    StoreBusy,
)
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec.digest import digest
from checkpoint_store.model.plan import Plan
from checkpoint_store.storage.records.open_requests import Decision, OpenRequest
from checkpoint_store.storage.records.records import Completion, StatusChange
from checkpoint_store.storage.records.saved_state import Looked

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore
    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.storage import Reading, Storage

TOTAL = 3


@pytest.fixture
def storage(store: CheckpointStore) -> Storage:
    """The verbs of one store object."""
    return store._context.storage  # type: ignore[union-attr]


@pytest.fixture
def other(store: CheckpointStore, open_store: Opener) -> Reading:
    """What another object, which only reads, sees of the same file."""
    assert store
    return open_store(read_only=True)._context.reading  # type: ignore[union-attr]


def request(model: str = "m", *, fresh: bool = False) -> OpenRequest:
    return OpenRequest(Plan("talk.srt", TOTAL, model, None, {}, None), None, None, "refuse", fresh=fresh)


def opened(storage: Storage, wanted: OpenRequest | None = None, **options: Any) -> JobRecord:
    """The job that a request leads to; the error if it is refused."""
    wanted = wanted or request()
    opened = storage.open_job(wanted, **options)
    if isinstance(opened, Decision):
        raise storage.jobs.refusal(wanted, opened)
    return opened.job


def completion(job: JobRecord, index: int, text: str = "1", *, replace: bool = False) -> Completion:
    return Completion(job.job_id, index, now(), text, digest(job.job_id, index, text), replace=replace)


def test_a_job_is_opened_once(storage: Storage, other: Reading) -> None:
    """The same request goes on with the job that is there; another plan is refused once there is a result."""
    job = opened(storage)
    assert opened(storage).job_id == job.job_id
    assert other.jobs.find(job.job_id).total_chunks == TOTAL
    storage.complete([completion(job, 0)])
    with pytest.raises(PlanChanged):
        opened(storage, request("other"))
    assert opened(storage, request(fresh=True)).job_id != job.job_id


def test_an_exclusive_opening_is_undone_where_another_works(storage: Storage, other: Reading) -> None:
    """A job on which another runner works is not had alone, and the opening leaves no trace; the own one is no other."""
    job = opened(storage)
    claims = storage.claims
    runner_id = claims.runners.register(job.job_id, exclusive=False)
    opened(storage, OpenRequest(Plan("other.srt", TOTAL, None, None, {}, None), None, None, "refuse", fresh=False))
    before = other.jobs.matching()
    with pytest.raises(JobBusy):
        storage.open_job(request(), exclusive_for=lambda _: None)
    assert other.jobs.matching() == before
    assert opened(storage, exclusive_for=lambda _: runner_id).job_id == job.job_id
    claims.runners.end(job.job_id, runner_id, begun=())


def test_completions_are_all_or_none(storage: Storage, other: Reading) -> None:
    """A refused completion takes back its batch, and nothing else; recording an equal result changes nothing."""
    job = opened(storage)
    storage.complete([completion(job, 0)])
    storage.complete([completion(job, 0)])
    with pytest.raises(ChunkAlreadyCompleted):
        storage.complete([completion(job, 1), completion(job, 0, "2")])
    assert other.chunks.completed_in(job.job_id, 0, TOTAL) == [0]
    storage.complete([completion(job, 0, "2", replace=True)])
    assert other.results.text(job.job_id, 0) == "2"
    storage.complete([completion(job, 1), completion(job, 2)])
    assert other.jobs.find(job.job_id).status is JobStatus.COMPLETED


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("change", "unfinished", "finished"),
    [
        (StatusChange(JobStatus.PAUSED, asks_for_pause=True), JobStatus.PAUSED, JobStatus.COMPLETED),
        (StatusChange(JobStatus.RUNNING, withdraws_pauses=True), JobStatus.RUNNING, JobStatus.COMPLETED),
        (StatusChange(JobStatus.FAILED, "no", is_completed_instead=False), JobStatus.FAILED, JobStatus.FAILED),
    ],
)
def test_a_status_is_changed_as_the_record_says(
    storage: Storage, other: Reading, change: StatusChange, unfinished: JobStatus, finished: JobStatus
) -> None:
    """Where nothing is left the job is completed, unless the status is to be as it is given."""
    job = opened(storage)
    storage.job_changes.set_status(job.job_id, change)
    found = other.jobs.find(job.job_id)
    assert (found.status, found.error_message) == (unfinished, change.message)
    storage.complete([completion(job, index) for index in range(TOTAL)])
    storage.job_changes.set_status(job.job_id, change)
    assert other.jobs.find(job.job_id).status is finished


def test_a_pause_is_asked_for_and_withdrawn(storage: Storage) -> None:
    """Loops that ask for the last pause see it, until it is withdrawn."""
    job, claims = opened(storage), storage.claims
    storage.job_changes.set_status(job.job_id, StatusChange(JobStatus.PAUSED, asks_for_pause=True))
    assert claims.last_pause(job.job_id) > 0
    storage.job_changes.set_status(job.job_id, StatusChange(JobStatus.RUNNING, withdraws_pauses=True))
    assert claims.last_pause(job.job_id) == 0


def test_chunks_that_are_left_are_an_error_of_an_end(storage: Storage, other: Reading) -> None:
    """A job is not completed while chunks are left, and how many is said; a deleted job is named."""
    job = opened(storage)
    with pytest.raises(JobIncomplete, match=str(TOTAL)):
        storage.job_changes.set_status(job.job_id, StatusChange(JobStatus.COMPLETED, needs_all_chunks=True))
    assert other.jobs.find(job.job_id).status is JobStatus.RUNNING
    storage.job_changes.delete(job.job_id)
    with pytest.raises(JobNotFound):
        storage.job_changes.set_status(job.job_id, StatusChange(JobStatus.PAUSED))


def test_a_job_is_left_to_the_runners_that_work_on_it(storage: Storage, other: Reading) -> None:
    """Who leaves a job changes its status only where no other runner is at work."""
    job, claims = opened(storage), storage.claims
    runner_id = claims.runners.register(job.job_id, exclusive=False)
    storage.job_changes.set_status(job.job_id, StatusChange(JobStatus.PAUSED), unless_others_work=True)
    assert other.jobs.find(job.job_id).status is JobStatus.RUNNING
    storage.job_changes.set_status(
        job.job_id, StatusChange(JobStatus.PAUSED), unless_others_work=True, own_runner_id=runner_id
    )
    assert other.jobs.find(job.job_id).status is JobStatus.PAUSED
    claims.runners.end(job.job_id, runner_id, begun=())


def test_a_deleted_job_is_gone_and_remembered(storage: Storage, other: Reading) -> None:
    """A prefix is enough; no older copy brings the job back; no byte of a result stays in the store's files."""
    job = opened(storage)
    storage.complete([completion(job, 0, '"a secret that nobody may find"')])
    assert storage.job_changes.delete(job.job_id[:8]) == job.job_id
    storage.job_changes.erase_deleted(job.job_id)
    assert other.jobs.was_deleted(job.job_id)
    assert other.jobs.matching() == []
    files = [path for path in storage.path.parent.iterdir() if path.name.startswith(storage.path.name)]
    assert not any(b"a secret that nobody may find" in path.read_bytes() for path in files)


def test_a_state_is_saved_and_known(storage: Storage, other: Reading) -> None:
    """What was saved is known until somebody commits; an import replaces nothing."""
    state = ProcessingState(file_name="a.srt", total_chunks=2, completed_chunks=[0], processed_results=["one"])
    known = storage.states.save(state, None, Looked()).known
    assert known is not None
    assert storage.states.still_holds(known)
    assert storage.states.current(known) is known
    storage.complete([Completion(state.job_id, 1, now(), '"two"', digest(state.job_id, 1, '"two"'))])
    assert not storage.states.still_holds(known)
    assert other.state(state.job_id).results() == {0: "one", 1: "two"}
    with pytest.raises(ChunkAlreadyCompleted):
        storage.states.take_in(state.replace(processed_results=["another"]))
    assert storage.states.take_in(state).completed_count == 2


def test_the_current_job_is_known_by_its_row(storage: Storage) -> None:
    """A short statement reads the current job's id, number of chunks and status, and the digest of a result."""
    assert storage.states.current_row() is None
    state = ProcessingState(file_name="a.srt", total_chunks=2, completed_chunks=[0], processed_results=["one"])
    storage.states.save(state, None, Looked())
    row = (state.job_id, 2, "pending")
    assert storage.states.current_row() == (*row, None)
    assert storage.states.current_row(0) == (*row, digest(state.job_id, 0, '"one"'))
    assert storage.states.current_row(1) == storage.states.current_row("x") == (*row, None)


def test_failed_chunks_are_given_their_attempts_back(storage: Storage, store: CheckpointStore, other: Reading) -> None:
    """A chunk that used up its attempts is tried again, and how many those are is said."""
    job = store.job(opened(storage).job_id)
    for _ in range(3):
        job.fail_chunk(1, "no")
    assert other.jobs.failure_counts(job.job_id) == (1, 0)
    assert storage.job_changes.retry_failed(job.job_id, [0]) == 0
    assert storage.job_changes.retry_failed(job.job_id, None) == 1
    assert other.jobs.failure_counts(job.job_id) == (0, 0)


def test_an_error_of_a_lock_says_how_long_the_call_waited(storage: Storage) -> None:
    """StoreBusy of a call with a patience of its own has that patience, not the lock_timeout_seconds of the store."""
    database = storage.database
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=r"for 0\.02 s") as finalizer:
            database.write_if_free(lambda connection: None, patience_seconds=0.02)
        with pytest.raises(StoreBusy) as alone:
            database.writer.file.connect(alone=True)
    assert (finalizer.value.waited_seconds, alone.value.waited_seconds) == (0.02, 0.0)
