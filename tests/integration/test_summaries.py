"""Summaries of jobs: all that a list shows, in one read, and the same as each job says of itself."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from conftest import program

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, JobSummary
from checkpoint_store.cli.inspect.jobs import list_jobs
from checkpoint_store.storage.records.records import ClaimRequest
from checkpoint_store.storage.statements.attempts import attempt_log
from checkpoint_store.storage.statements.jobs import job_summaries, jobs

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store.storage.records.records import Claim

KILLED = program(__file__, "killed_with_one")


def _as_it_says_itself(job: Job) -> JobSummary:
    return JobSummary(
        job_id=job.job_id,
        file_name=job.file_name,
        video_title=job.video_title,
        model=job.model,
        provider=job.provider,
        status=job.status,
        is_active=job.is_active,
        progress=job.progress(),
        failed_chunks=len(job.failed_chunks()),
        in_doubt_chunks=len(job.in_doubt_chunks()),
        superseded_by=job.superseded_by,
        error_message=job.error_message,
        config=dict(job.config),
        metadata=job.metadata,
    )


def _of_every_kind(store: CheckpointStore, children: Children) -> Any:
    """Have jobs that failed, were killed, are complete, empty and at work; return the chunk that is in work."""
    children.run(KILLED, code=-signal.SIGKILL)
    failed = store.open_job("failed.srt", total_chunks=4, model="m", config={"size": 1})
    for _ in range(3):
        failed.fail_chunk(1, "no")
    failed.fail_chunk(2, "once")
    for _ in range(3):
        failed.fail_chunk(3, "no")
    failed.complete(3, "after all")
    failed.fail("given up")
    given_up = store.open_job("abandoned.srt", total_chunks=2)
    chunks = given_up.pending()
    chunk = next(chunks)
    chunks.close()
    del chunk
    store.open_job("done.srt", total_chunks=1).complete(0, 1)
    store.open_job("empty.srt", total_chunks=0)
    return next(store.open_job("working.srt", total_chunks=3).pending())


def test_a_summary_says_what_its_job_says(store: CheckpointStore, open_store: Opener, children: Children) -> None:
    """Failed chunks, chunks in doubt, activity and progress: in one read of all jobs, and of one."""
    chunk = _of_every_kind(store, children)
    with open_store(read_only=True) as reading:
        for one in (store, reading):
            expected = [_as_it_says_itself(job) for job in one.jobs()]
            assert one.summaries() == expected
            assert [job.summary() for job in one.jobs()] == expected
    by_name = {summary.file_name: summary for summary in store.summaries()}
    counts = {name: (found.failed_chunks, found.in_doubt_chunks) for name, found in by_name.items()}
    assert counts == {
        "working.srt": (0, 0),
        "empty.srt": (0, 0),
        "done.srt": (0, 0),
        "abandoned.srt": (0, 1),
        "failed.srt": (1, 0),
        "killed.srt": (0, 1),
    }
    assert [name for name, found in by_name.items() if found.is_active] == ["working.srt"]
    chunk.complete("x")


def test_a_chunk_in_doubt_stays_so_while_it_is_only_claimed(store: CheckpointStore, open_store: Opener) -> None:
    """A runner claims chunks ahead. Until the work on a chunk begins, its last try is the one before, also if killed."""
    job = store.open_job("ahead.srt", total_chunks=2)
    claims = job._context.storage.claims
    request = ClaimRequest(job.job_id, 0, [(0, 2)], 2, None, (), ())

    def claimed() -> tuple[int, list[Claim]]:
        runner = claims.runners.register(job.job_id, exclusive=False)
        return runner, claims.claim(dataclasses.replace(request, runner_id=runner)).claims

    def in_doubt() -> int:
        numbers = {
            (one.summary().in_doubt_chunks, len(one.in_doubt_chunks())) for one in (job, reading.job("ahead.srt"))
        }
        ((summed, listed),) = numbers
        assert summed == listed
        return summed

    runner, begun = claimed()
    claims.note_begun(runner, begun)
    claims.runners.end(job.job_id, runner, begun=begun)
    with open_store(read_only=True) as reading:
        assert in_doubt() == 2
        runner, again = claimed()
        assert in_doubt() == 2
        claims.note_begun(runner, again[:1])
        assert in_doubt() == 1
        claims.runners.drop(runner)
        assert in_doubt() == 2


def test_summaries_are_filtered_as_jobs_are(store: CheckpointStore) -> None:
    """``summaries`` filters by status and file name as ``jobs`` does, and refuses an unknown status."""
    store.open_job("a.srt", total_chunks=1).complete(0, 1)
    store.open_job("b.srt", total_chunks=1)
    assert [one.file_name for one in store.summaries(status="completed")] == ["a.srt"]
    assert [one.file_name for one in store.summaries(file_name="b.srt")] == ["b.srt"]
    assert store.summaries(file_name="c.srt") == []
    with pytest.raises(InvalidArgumentError, match="status"):
        store.summaries(status="gone")


def test_a_filtered_list_reads_attempts_of_its_own_jobs_only(store: CheckpointStore) -> None:
    """A list of the jobs of a file takes no longer because other jobs have failed attempts, or replaced results."""
    for _ in range(2):
        store.open_job("a.srt", total_chunks=1, fresh=True).fail_chunk(0, "no")

    def plan(connection: Any) -> list[str]:
        asked: list[str] = []
        records = jobs.list_jobs(connection, store.path, file_name="a.srt")
        connection.set_trace_callback(asked.append)
        assert [one.failed_chunks for one in job_summaries.summaries(connection, records, store.path)] == [0, 0]
        connection.set_trace_callback(None)
        return [row[3] for text in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]

    steps = store._context.storage.database.read(plan)
    read = {step for step in steps if "attempts USING INDEX ix_attempts" in step and "ix_attempts_running" not in step}
    assert {step.split()[0] for step in read} == {"SEARCH"}


def test_a_summary_cannot_be_changed(store: CheckpointStore) -> None:
    """A summary is the record of a moment, and cannot be changed."""
    summary = store.open_job("a.srt", total_chunks=1).summary()
    with pytest.raises(dataclasses.FrozenInstanceError):
        summary.failed_chunks = 1  # type: ignore[misc]


def _connections(folder: Path, count: int) -> int:
    """Return how often the command ``list`` connects to a store with so many jobs, each with a failed chunk."""
    path = folder / f"{count}.db"
    with CheckpointStore(path, state_file=None) as store:
        for number in range(count):
            store.open_job(f"{number}.srt", total_chunks=3).fail_chunk(0, "no")
    opened: list[str] = []
    _watchers.append(opened)
    result = CliRunner().invoke(list_jobs, ["--store", str(path), "--json"])
    _watchers.remove(opened)
    assert len(json.loads(result.stdout)["jobs"]) == count
    return len(opened)


_watchers: list[list[str]] = []


def _note_connection(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect":
        for watcher in _watchers:
            watcher.append(str(arguments[0]))


def test_a_list_of_many_jobs_opens_the_file_as_often_as_a_list_of_one(tmp_path: Path) -> None:
    """Each read of a read-only store opens the file anew, so that a read a job would take seconds."""
    sys.addaudithook(_note_connection)
    assert _connections(tmp_path, 20) == _connections(tmp_path, 1) > 0


def test_failed_chunks_are_found_without_going_through_all_attempts(store: CheckpointStore) -> None:
    """A million attempts that went well are not looked through, neither for one job nor for all."""
    job = store.open_job("long", total_chunks=3)
    statements = [
        attempt_log._FAILED_CHUNKS,
        attempt_log._LAST_RUNNING,
        attempt_log._LAST_IN_TROUBLE,
        job_summaries._TROUBLED,
        job_summaries._IN_HAND,
    ]

    def plans(connection: Any) -> list[str]:
        return [
            " ".join(
                row[3]
                for row in connection.execute(f"EXPLAIN QUERY PLAN {one.text}", (job.job_id,) * one.text.count("?"))
            )
            for one in statements
        ]

    for plan in store._context.storage.database.read(plans):
        assert "attempts USING INDEX ix_attempts" in plan
        assert "SEARCH attempts USING PRIMARY KEY" not in plan
        assert "attempts USING PRIMARY KEY (job_id=?)" not in plan
