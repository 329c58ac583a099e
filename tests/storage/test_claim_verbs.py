"""What a store can do for runners and their claims, verb by verb."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ChunkAlreadyCompleted, JobBusy, JobNotFound, StorageFullError
from checkpoint_store.storage.records.records import (
    Claim,
    ClaimRequest,
    ClaimSearchResult,
    FailedAttempt,
    FailureOutcome,
)
from checkpoint_store.storage.statements.attempts import liveness
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL = 4


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of four chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


@pytest.fixture
def first(store: CheckpointStore) -> ClaimStorage:
    """What one store object does."""
    return ClaimStorage(store._context.storage.database)  # type: ignore[arg-type]


@pytest.fixture
def second(open_store: Opener) -> ClaimStorage:
    """What another store object of the same file does."""
    return ClaimStorage(open_store()._context.storage.database)  # type: ignore[arg-type]


def claim(
    storage: ClaimStorage,
    job: Job,
    runner_id: int,
    wanted: int = 1,
    *,
    attempts_max: int | None = None,
    in_hand: Collection[int] = (),
) -> ClaimSearchResult:
    request = ClaimRequest(job.job_id, runner_id, [(0, TOTAL)], wanted, attempts_max, in_hand, frozenset())
    return storage.claim(request)


def failed(job: Job, index: int, number: int | None, runner_id: int | None, *, again: bool = False) -> FailedAttempt:
    return FailedAttempt(
        job.job_id, index, number, runner_id, "no", 0.5, attempts_max=2, is_counted=True, tries_again=again
    )


def attempts(job: Job) -> list[tuple[int, int, int, str]]:
    statement = "SELECT chunk_index, number, runner_id, outcome FROM attempts ORDER BY chunk_index, number"
    return job._context.storage.database.read(lambda connection: connection.execute(statement).fetchall())


def test_a_runner_is_at_work_until_it_ends(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """Others see a registered runner, it does not see itself, and an ended one is gone."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    assert second.runners.others_at_work(job.job_id, own_runner_id=None)
    assert not first.runners.others_at_work(job.job_id, own_runner_id=runner_id)
    first.runners.end(job.job_id, runner_id, begun=())
    assert not second.runners.others_at_work(job.job_id, own_runner_id=None)


def test_a_dropped_runner_is_found_dead(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """A runner whose end could not be recorded is reaped by the next process that looks; what it began is in doubt."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    first.note_begun(runner_id, claim(first, job, runner_id, 2).claims[:1])
    first.runners.drop(runner_id)
    assert not second.runners.others_at_work(job.job_id, own_runner_id=None)
    assert attempts(job) == [(0, 1, runner_id, "abandoned")]


def test_an_exclusive_runner_is_alone(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """A second runner is refused beside an exclusive one, and an exclusive one beside any other."""
    one = first.runners.register(job.job_id, exclusive=True)
    with pytest.raises(JobBusy):
        second.runners.register(job.job_id, exclusive=False)
    first.runners.end(job.job_id, one, begun=())
    other = second.runners.register(job.job_id, exclusive=False)
    with pytest.raises(JobBusy):
        first.runners.register(job.job_id, exclusive=True)
    second.runners.make_exclusive(job.job_id, other)
    with pytest.raises(JobBusy):
        first.runners.register(job.job_id, exclusive=False)


def test_claims_are_one_runners(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """The lowest chunks are claimed, and another runner is told who has those that it passes over."""
    one, other = (storage.runners.register(job.job_id, exclusive=False) for storage in (first, second))
    assert claim(first, job, one, 2) == ClaimSearchResult([Claim(0, 1), Claim(1, 1)], [], 2)
    found = claim(second, job, other, 9)
    assert (found.claims, found.held, found.next_index) == ([Claim(2, 1), Claim(3, 1)], [(0, one), (1, one)], TOTAL)
    assert (found.alive_runner_ids, found.has_reaped) == ({one}, False)


def test_a_dead_runners_claims_are_free_to_be_claimed(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """The call that finds a runner dead claims the runner's chunks, and begins the next attempt at begun chunks."""
    one, other = (storage.runners.register(job.job_id, exclusive=False) for storage in (first, second))
    first.note_begun(one, claim(first, job, one, 2).claims[:1])
    first.runners.drop(one)
    found = claim(second, job, other, 2)
    assert (found.claims, found.has_reaped) == ([Claim(0, 2), Claim(1, 1)], True)


def test_a_claim_that_was_lost_from_hand_is_claimed_again(job: Job, first: ClaimStorage) -> None:
    """A runner's own chunk that is not in its hand is the same attempt; one that is in its hand is passed over."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, runner_id)
    assert claim(first, job, runner_id).claims == [Claim(0, 1)]
    assert claim(first, job, runner_id, in_hand={0}).claims == [Claim(1, 1)]


def test_a_failure_begins_the_next_attempt(job: Job, first: ClaimStorage) -> None:
    """A failure begins the next attempt, if asked for, as long as attempts are left; then the chunk is failed."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, runner_id)
    assert first.fail(failed(job, 0, 1, runner_id, again=True)) == FailureOutcome(1, False, Claim(0, 2))
    assert first.fail(failed(job, 0, 2, runner_id, again=True)) == FailureOutcome(2, True, None)
    assert claim(first, job, runner_id).claims == [Claim(1, 1)]
    assert [record.attempt for record in job.failed_chunks()] == [2]


def test_a_failure_without_a_runner_is_recorded(job: Job, first: ClaimStorage) -> None:
    """A caller without a claim may report a failure; all such reports belong to one runner, which has ended."""
    for number in (1, 2):
        assert first.fail(failed(job, 3, None, None)) == FailureOutcome(number, number == 2, None)
    assert [(index, number, outcome) for index, number, _, outcome in attempts(job)] == [
        (3, 1, "failed"), (3, 2, "failed")
    ]  # fmt: skip
    assert len({runner_id for _, _, runner_id, _ in attempts(job)}) == 1
    assert not first.runners.others_at_work(job.job_id, own_runner_id=None)


def test_a_completed_chunk_does_not_fail(job: Job, first: ClaimStorage) -> None:
    """A refused failure still lets the next verb free a claim that waits to be freed."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, runner_id, 2)
    first.queue_release(job.job_id, runner_id, Claim(1, 1), begun=False)
    job.complete(0, "done")
    with pytest.raises(ChunkAlreadyCompleted):
        first.fail(failed(job, 0, 1, runner_id))
    first.release(job.job_id)
    assert [attempt[:2] for attempt in attempts(job)] == [(0, 1)]


@pytest.mark.parametrize(("begun", "outcomes"), [(False, []), (True, ["abandoned"])])
def test_a_released_claim_is_free(
    job: Job, first: ClaimStorage, second: ClaimStorage, begun: bool, outcomes: list[str]
) -> None:
    """A release of begun work leaves it in doubt; other claims leave no trace."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, runner_id)
    first.queue_release(job.job_id, runner_id, Claim(0, 1), begun=begun)
    assert [outcome for *_, outcome in attempts(job)] == ["running"]
    first.release(job.job_id)
    assert [outcome for *_, outcome in attempts(job)] == outcomes
    other = second.runners.register(job.job_id, exclusive=False)
    assert claim(second, job, other).claims == [Claim(0, 1 + begun)]


@pytest.mark.parametrize("begun", [False, True])
def test_a_late_release_frees_nobody_elses_claim(
    job: Job, first: ClaimStorage, second: ClaimStorage, begun: bool
) -> None:
    """A chunk that was freed with its runner, and is claimed by another one since, stays that one's."""
    one = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, one)
    first.runners.end(job.job_id, one, begun=())
    other = second.runners.register(job.job_id, exclusive=False)
    assert claim(second, job, other).claims == [Claim(0, 1)]
    first.queue_release(job.job_id, one, Claim(0, 1), begun=begun)
    first.release(job.job_id)
    assert attempts(job) == [(0, 1, other, "running")]


def killed(job: Job, first: ClaimStorage) -> tuple[int, Path]:
    """Return a runner that was killed with three chunks, of which it had done one and begun one; and its lock file."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claim(first, job, runner_id, 3)
    for index in (0, 1):
        first.note_begun(runner_id, [Claim(index, 1)])
    first.done(runner_id, Claim(0, 1))
    first.note_begun(runner_id, [Claim(1, 1)])
    content = first.runners.locks[runner_id].path.read_bytes()
    first.runners.drop(runner_id)
    (name,) = job._context.storage.database.read(
        lambda connection: connection.execute("SELECT lock_file FROM runners").fetchone()
    )
    lock_file = first.path.with_name(name)
    lock_file.write_bytes(content)  # as a killed process leaves it
    lock_file.chmod(0o600)
    return runner_id, lock_file


def test_reaping_tells_begun_from_claimed(job: Job, first: ClaimStorage, second: ClaimStorage) -> None:
    """A dead runner's chunks whose work had begun, and is not done, are in doubt; of its others nothing is kept."""
    runner_id, lock_file = killed(job, first)
    second.runners.reap_dead()
    assert {attempt[0]: attempt[3] for attempt in attempts(job)}.get(2) is None
    assert attempts(job)[-1] == (1, 1, runner_id, "abandoned")
    assert not lock_file.exists()


@pytest.mark.parametrize("then", ["it is undone", "the process is killed"])
def test_what_a_dead_runner_had_begun_is_known_until_its_end_is_durable(
    job: Job, first: ClaimStorage, second: ClaimStorage, then: str
) -> None:
    """A full disk undoes a reaping: no chunk that was only claimed is said to be in doubt, and uses up a try."""
    runner_id, lock_file = killed(job, first)

    def look(connection: sqlite3.Connection) -> None:
        assert not liveness.others_at_work(connection, second.path, job.job_id, own_runner_id=None)
        if then == "it is undone":
            raise StorageFullError(second.path, "No space left on device", 0)

    with suppress(StorageFullError):
        second._database.write(look)
    assert lock_file.exists()
    second.runners.reap_dead()
    assert ((1, 1, runner_id, "abandoned") in attempts(job), 2 in {index for index, *_ in attempts(job)}) == (
        True,
        False,
    )
    assert not lock_file.exists()


def test_a_deleted_job_is_named(store: CheckpointStore, job: Job, first: ClaimStorage) -> None:
    """Whoever goes on with a job that was deleted meanwhile is told so, and no lock file is left."""
    store.delete_job(job.job_id)
    with pytest.raises(JobNotFound):
        first.runners.register(job.job_id, exclusive=False)
    with pytest.raises(JobNotFound):
        first.fail(failed(job, 0, None, None))
    assert list(first.path.parent.glob("*.runner-*")) == []


def test_what_is_known_of_a_job(job: Job, first: ClaimStorage) -> None:
    """A runner can read the completed chunks of a span, whether any is left, and the last request to pause."""
    assert (first.completed_in(job.job_id, 0, TOTAL), first.is_completed(job.job_id)) == (0, False)
    assert first.last_pause(job.job_id) == 0
    job.pause()
    assert first.last_pause(job.job_id) == 1
    job.complete_many((index, "done") for index in range(TOTAL))
    assert (first.completed_in(job.job_id, 1, 3), first.is_completed(job.job_id)) == (2, True)


def test_a_release_that_fails_leaves_the_runner_alive(
    job: Job, first: ClaimStorage, second: ClaimStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner whose release fails keeps its chunks, and none is in doubt."""
    runner_id = first.runners.register(job.job_id, exclusive=False)
    claims = claim(first, job, runner_id, 2).claims

    write_of_job = second.runners._write_of_job

    def fail_at_the_commit(job_id: str, work: Callable[[sqlite3.Connection], object]) -> object:
        def work_and_fail(connection: sqlite3.Connection) -> None:
            work(connection)
            assert not first.note_begun(runner_id, claims)  # what is about to be freed begins no more
            raise StorageFullError(second.path, "full", 0)

        return write_of_job(job_id, work_and_fail)

    with monkeypatch.context() as patch, pytest.raises(StorageFullError):
        patch.setattr(second.runners, "_write_of_job", fail_at_the_commit)
        second.runners.release(job.job_id, runner_id)
    assert second.runners.others_at_work(job.job_id, own_runner_id=None)
    assert first.note_begun(runner_id, claims)
