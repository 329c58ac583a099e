"""The verbs of the storage about redos of complete chunks. They take and return plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import ChunkInWork, ChunkNotCompleted, ChunkOutOfRange, InvalidArgumentError
from checkpoint_store.model.chunks import spans_of
from checkpoint_store.model.clock import now
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.statements import redos, results
from checkpoint_store.storage.statements.attempts import attempt_log, liveness, runners
from checkpoint_store.storage.statements.jobs import jobs, stretch
from checkpoint_store.storage.statements.plans.carry_over import chunks_at_work
from checkpoint_store.storage.verbs.base import ReadingVerbs, WritingVerbs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from checkpoint_store.storage.records.records import JobRecord


class MarkVerbs(ReadingVerbs):
    """The reading verbs about chunks that are to be done again. Safe to share between threads."""

    def all_of(self, job_id: str) -> frozenset[redos.Mark]:
        """Return which chunks of a job are to be done again."""
        return self._database.read(redos.marks, job_id)

    def first(self, job_id: str) -> int | None:
        """Return the lowest chunk of a job that is to be done again, if any. This is the quickest read of it."""
        (lowest,) = self._database.read_row(redos.FIRST.text, (job_id,)) or (None,)
        return None if lowest is None else int(lowest)

    def has(self, job_id: str, index: int) -> bool:
        """Whether a chunk is to be done again. The quickest read of it."""
        return self._database.read_row(redos.FIND.text, (job_id, index)) is not None


class RedoStorage(WritingVerbs):
    """The chunks of one store file that are to be done again. Safe to share between threads."""

    def redo(self, job_id: str, indices: Collection[int]) -> int:
        """Mark complete chunks to be done again, all or none; return how many of them loops would have skipped before.

        Their results stay until the new ones are recorded. A completed job becomes paused, or running if a runner is at
        work on it. A chunk whose redo has failed gets its attempts back. Durable when this returns.

        Raises:
            ChunkNotCompleted, ChunkOutOfRange, ChunkInWork: a chunk is not complete, not of the job, or in work.
            InvalidArgumentError: the job is superseded; or it is sequential, and chunks behind the first are left out.
            JobNotFound: the job was deleted.
        """

        def work(connection: sqlite3.Connection) -> int:
            job = jobs.find_job(connection, job_id, self.path)
            known = set(redos.indices(connection, job_id))
            self._refuse(connection, job, indices, known)
            new = sorted(set(indices) - known)
            self._refuse_in_work(connection, job, new)
            if new:
                before = max(job.stretch_completed_count - len(new), 0)
                changes = stretch.changes_now(connection, job_id, self.path) | {"stretch_completed_count": before}
                redos.mark(connection, job_id, dict.fromkeys(new, now()))
                if job.status is JobStatus.COMPLETED:
                    at_work = liveness.is_anyone_at_work(connection, self.path, job_id)
                    changes["status"] = (JobStatus.RUNNING if at_work else JobStatus.PAUSED).value
                jobs.update_job(connection, job_id, self.path, **changes)
            return len(new) + attempt_log.retry_failed(connection, job_id, sorted(known.intersection(indices)))

        return self._database.write(work)

    def _refuse(
        self, connection: sqlite3.Connection, job: JobRecord, indices: Collection[int], known: set[int]
    ) -> None:
        """Refuse what cannot be done again."""
        if job.superseded_by is not None:
            remedy = (
                f"is superseded by job {job.superseded_by}, which a run would go on with: redo the chunks of that job"
            )
            raise InvalidArgumentError("job", job.job_id, remedy)
        with_result = set(results.indices(connection, job.job_id))
        for index in sorted(indices):
            if not 0 <= index < job.total_chunks:
                raise ChunkOutOfRange(job.job_id, index, job.total_chunks)
            if index not in with_result:
                raise ChunkNotCompleted(job.job_id, index, completed=False)
        if job.sequential and indices:
            tail = {index for index in with_result if index >= min(indices)}
            if left_out := tail - set(indices) - known:
                raise InvalidArgumentError("indices", _ranges_text(indices), _remedy(job.job_id, min(left_out), tail))

    def _refuse_in_work(self, connection: sqlite3.Connection, job: JobRecord, indices: Sequence[int]) -> None:
        """Refuse to redo a chunk in work; in a sequential job, a chunk that a later chunk in work depends on."""
        if not indices:
            return
        at_work = {runner.runner_id: runner for runner in runners.runners_at_work(connection, job.job_id)}
        wanted, behind = set(indices), min(indices) if job.sequential else job.total_chunks
        dead: set[int] = set()
        for index, _, runner_id in chunks_at_work(connection, job.job_id):
            if index in wanted or index > behind:
                runner = at_work.get(runner_id)
                if runner is not None and liveness.is_alive(self.path, runner):
                    raise ChunkInWork(job.job_id, index, runner.pid, runner.host)
                dead.add(runner_id)
        for runner_id in dead & at_work.keys():
            liveness.reap_if_dead(connection, self.path, at_work[runner_id])


def _remedy(job_id: str, left_out: int, tail: set[int]) -> str:
    whole = _ranges_text(tail)
    return (
        f"leaves out chunk {left_out}: job {job_id} is sequential, so each chunk was made from the results before it. "
        f"Redo all complete chunks from the first one on: {whole}"
    )


def _ranges_text(indices: Collection[int]) -> str:
    spans = spans_of(sorted(indices))
    return ", ".join(str(start) if stop == start + 1 else f"{start}-{stop - 1}" for start, stop in spans)
