"""What a run would do, said before it does it: and nothing is written to find out."""

from __future__ import annotations

import pickle
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Children, Opener, program, snapshot

from checkpoint_store import CheckpointStore, InvalidArgumentError, PlanChanged, RunPlan, SecretInConfig
from checkpoint_store.storage.runner_lock import RunnerLock, probe

CHUNKS = ["one", "two", "three", "four"]
KILLED = program(__file__, "killed_in_third")


def open_half(store: CheckpointStore, **more: Any) -> str:
    """Open a job and complete the first two of its four chunks; return its id."""
    job = store.open_job("talk.txt", chunks=CHUNKS, **more)
    for index in range(2):
        job.complete(index, {"text": CHUNKS[index], "cost": 0.25})
    return job.job_id


# -- every way that opening can go


def test_a_file_without_a_job_is_new(store: CheckpointStore) -> None:
    """All chunks are to do, nothing is known of their price, and there is still no job afterwards."""
    plan = store.plan("talk.txt", chunks=CHUNKS, model="m")
    assert plan == RunPlan(
        file_name="talk.txt",
        job_id=None,
        action="new",
        total_chunks=4,
        chunks_to_do=4,
        kept=0,
        in_doubt=(),
        failed=(),
        differences=(),
        estimated_cost=None,
        estimated_seconds=None,
        spent=0.0,
    )
    assert store.jobs() == []


def test_a_half_done_job_goes_on(store: CheckpointStore) -> None:
    """What is kept, what is left, and what that would cost by the mean so far; the job stays as it was."""
    job_id = open_half(store)
    before = store.job(job_id).state()
    plan = store.plan("talk.txt", chunks=CHUNKS)
    assert (plan.action, plan.job_id, plan.kept, plan.chunks_to_do) == ("resume", job_id, 2, 2)
    assert (plan.spent, plan.estimated_cost) == (0.5, 0.5)
    assert store.job(job_id).state() == before


def test_a_completed_job_leaves_nothing_to_do(store: CheckpointStore) -> None:
    """Nothing is left, so nothing would be spent."""
    job_id = open_half(store)
    store.job(job_id).complete_many([(2, {"cost": 1}), (3, {"cost": 1})])
    plan = store.plan("talk.txt", chunks=CHUNKS)
    assert (plan.action, plan.job_id, plan.chunks_to_do, plan.kept) == ("complete", job_id, 0, 4)
    assert (plan.spent, plan.estimated_cost) == (2.5, 0.0)


def test_a_changed_plan_is_an_answer(store: CheckpointStore) -> None:
    """Where open_job would raise PlanChanged, the plan says the same: every difference, and how many are reusable."""
    open_half(store)
    edited = ["zero", *CHUNKS]
    plan = store.plan("talk.txt", chunks=edited)
    with pytest.raises(PlanChanged) as raised:
        store.open_job("talk.txt", chunks=edited)
    assert plan.action == "refuse"
    assert (plan.differences, plan.kept) == (raised.value.differences, raised.value.reusable_results)
    assert (plan.chunks_to_do, plan.job_id) == (0, None)


def test_reuse_says_what_would_be_carried_over(store: CheckpointStore) -> None:
    """What the plan counts as kept is what open_job then carries over."""
    open_half(store)
    edited = ["zero", *CHUNKS]
    plan = store.plan("talk.txt", chunks=edited, on_change="reuse")
    assert (plan.action, plan.kept, plan.chunks_to_do, plan.job_id) == ("reuse", 2, 3, None)
    assert (plan.spent, plan.estimated_cost) == (0.5, 0.75)
    job = store.open_job("talk.txt", chunks=edited, on_change="reuse")
    assert (job.progress().completed_chunks, job.progress().remaining_chunks) == (plan.kept, plan.chunks_to_do)


def test_restart_and_fresh_keep_nothing(store: CheckpointStore) -> None:
    """A new job keeps nothing: ``fresh`` always begins a new job, ``restart`` only where the plan differs."""
    open_half(store)
    assert store.plan("talk.txt", chunks=CHUNKS[:3], on_change="restart").action == "restart"
    assert store.plan("talk.txt", chunks=CHUNKS, on_change="restart").action == "resume"
    fresh = store.plan("talk.txt", chunks=CHUNKS, fresh=True)
    assert (fresh.action, fresh.chunks_to_do, fresh.kept, fresh.job_id) == ("new", 4, 0, None)
    assert fresh.estimated_cost == 1.0


def test_another_model_has_other_prices(store: CheckpointStore) -> None:
    """A mean is no estimate for a plan whose model, provider or config differs."""
    open_half(store, model="small")
    plan = store.plan("talk.txt", chunks=CHUNKS, model="large", on_change="restart")
    assert (plan.estimated_cost, plan.estimated_seconds, plan.spent) == (None, None, 0.5)


def test_time_is_estimated_from_the_tries_so_far(store: CheckpointStore) -> None:
    """The mean of the tries that ended well, for each chunk that is left, one after the other."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    for chunk in job.pending():
        if chunk.index == 2:
            break
        chunk.complete("x")
    del chunk
    plan = job.plan()
    assert plan.estimated_seconds is not None
    assert 0 < plan.estimated_seconds < 60


# -- chunks that are not simply left


def test_failed_chunks_are_passed_over(store: CheckpointStore) -> None:
    """A chunk that used up its attempts is named and not counted, until it is freed."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    for _ in range(3):
        job.fail_chunk(1, "no")
    job.fail_chunk(2, "once")
    plan = store.plan("talk.txt", chunks=CHUNKS)
    assert (plan.failed, plan.chunks_to_do, plan.kept) == ((1,), 3, 0)
    job.retry_failed()
    assert store.plan("talk.txt", chunks=CHUNKS).failed == ()


def test_a_killed_runs_chunk_is_in_doubt_before_anyone_else_looked(
    children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """A read-only store shows the chunk of a killed run as in doubt at once, without writing."""
    children.run(KILLED, code=-signal.SIGKILL)
    before = snapshot(tmp_path)
    with open_store(read_only=True) as store:
        job = store.latest_job()
        assert job is not None
        plan = job.plan()
        assert (plan.in_doubt, plan.kept, plan.chunks_to_do) == ((2,), 2, 2)
        assert [record.chunk_index for record in job.in_doubt_chunks()] == [2]
        assert job.running_chunks() == []
        assert job._execution.recorded.failure_counts() == (0, 1)
    assert snapshot(tmp_path) == before


def test_a_chunk_in_a_living_runners_hand_is_not_in_doubt(store: CheckpointStore, open_store: Opener) -> None:
    """A chunk of a living runner is shown as running, not in doubt, and the look disturbs nobody."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    chunk = next(job.pending())
    with open_store(read_only=True) as other:
        seen = other.job(job.job_id)
        assert ([record.chunk_index for record in seen.running_chunks()], seen.plan().in_doubt) == ([0], ())
    chunk.complete("x")


# -- job.plan


def test_a_job_plans_with_chunks_of_another_time(store: CheckpointStore) -> None:
    """Everything but the chunks is the job's own; without chunks it is the job's own plan."""
    job = store.job(open_half(store, model="m", config={"a": 1}))
    assert job.plan().action == "resume"
    assert job.plan(CHUNKS).differences == ()
    edited = job.plan([*CHUNKS, "five"], on_change="reuse")
    assert (edited.action, edited.kept, edited.chunks_to_do) == ("reuse", 2, 3)
    assert [difference.field for difference in edited.differences] == ["total_chunks", "chunks"]


def test_planning_writes_nothing(open_store: Opener, tmp_path: Path) -> None:
    """In a read-only store every file stays as it is, down to its times."""
    with open_store() as store:
        job_id = open_half(store)
    before = snapshot(tmp_path)
    with open_store(read_only=True) as store:
        for change in ("refuse", "reuse", "restart"):
            store.plan("talk.txt", chunks=["other"], on_change=change)  # type: ignore[arg-type]
        store.plan("other.txt", total_chunks=3)
        store.job(job_id).plan()
    assert snapshot(tmp_path) == before


def test_bad_input_is_refused_as_by_open_job(store: CheckpointStore) -> None:
    """A plan that could not be opened is not made up."""
    with pytest.raises(InvalidArgumentError, match="on_change"):
        store.plan("talk.txt", chunks=CHUNKS, on_change="delete")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"^chunks is missing, and so is total_chunks: give one of the two$"):
        store.plan("talk.txt")
    with pytest.raises(InvalidArgumentError, match=r"^chunks and total_chunks are both given: give one of the two$"):
        store.plan("talk.txt", chunks=["a private text"], total_chunks=1)  # type: ignore[call-overload]
    with pytest.raises(SecretInConfig):
        store.plan("talk.txt", chunks=CHUNKS, config={"api_key": "abcdef"})


def test_a_plan_is_a_frozen_record(store: CheckpointStore) -> None:
    """A ``RunPlan`` can be pickled and compared, and cannot be changed."""
    plan = store.plan("talk.txt", total_chunks=4)
    assert pickle.loads(pickle.dumps(plan)) == plan
    with pytest.raises(AttributeError):
        plan.kept = 3  # type: ignore[misc]


# -- the look at a lock


def test_looking_at_a_runner_lock_leaves_it_as_it_is(children: Children, tmp_path: Path) -> None:
    """Held by another process, by this one, by nobody, not there: told apart without a write."""
    child = children.start(program(__file__, "hold_runner_lock"))
    path = Path(children.next_line(child))
    before = snapshot(tmp_path)
    assert probe(path) is None
    child.kill()
    child.wait()
    assert probe(path) is not None
    assert snapshot(tmp_path) == before
    mine = RunnerLock(tmp_path / "talks.db")
    assert probe(mine.path) is None
    mine.end()
    assert probe(mine.path) is not None
