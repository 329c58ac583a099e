"""The lifecycle of one job: its status, its pauses, and the record of its last loop."""

from __future__ import annotations

import threading
from logging import INFO
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.claims.requests import KnownPauses, must_queue_pause
from checkpoint_store.execution.other_plans import look_again
from checkpoint_store.model.error_text import describe, set_field
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records.records import StatusChange
from checkpoint_store.system.log import log, log_suppressed
from checkpoint_store.system.threads import is_in_signal_handler

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.execution.recorded_job import RecordedJob
    from checkpoint_store.model.loop_records import RunRecord
    from checkpoint_store.storage.records.open_requests import OpenRequest

_PAUSED_JOB: Final = "_checkpoint_store_paused_job"
"""The attribute of an error in which a loop notes the job that it has paused for this error."""


class JobLifecycle:
    """The changes of one job's status. Safe to share between threads."""

    def __init__(self, context: StoreContext, recorded: RecordedJob, request: OpenRequest | None) -> None:
        self._context, self._recorded, self._job_id = context, recorded, recorded.job_id
        self._request = request
        self.pauses: Final = KnownPauses()
        """The pauses that the holder of this job knows of."""
        self._blocks: Final[dict[int, list[bool]]] = {}
        """For each ``with`` block of a thread, outer blocks first: whether the block is part of a loop's body."""

    def change(self, wanted: StatusChange) -> None:
        """Change the job's status; see :mod:`checkpoint_store.execution.lifecycle`."""
        self._context.pauses.record()  # first: they were asked for before
        lifecycle.change(self._context, self._job_id, wanted)

    def pause(self) -> None:
        """Ask for a pause; see :meth:`Job.pause`.

        The caller knows of the pause, so it ends no loop that the caller begins later. A signal handler is not the
        caller of the loops: its pause ends the loop that begins next.
        """
        if must_queue_pause():
            lifecycle.change_soon(self._context, self._job_id, lifecycle.PAUSE)
            return
        self.change(lifecycle.PAUSE)
        if not is_in_signal_handler():
            self.mark_pauses_known()

    def mark_pauses_known(self) -> None:
        """Note the pauses up to now: unlike a later pause, they end no loop that begins from now on."""
        self.pauses.last = self._last_pause()

    def _last_pause(self) -> int:
        self._context.pauses.record()
        return self._context.storage.claims.last_pause(self._job_id)

    def look_again(self) -> None:
        """Record unrecorded results, and take over what other jobs got since this job was opened: a loop begins."""
        self._context.record_unrecorded()
        look_again(self._context, self._request, self._job_id)

    def mark_running(self, known_pause: int | None) -> None:
        """Set the job ``running`` as a loop begins, if chunks are left, unless it was paused since the call.

        ``known_pause``: the last pause that was known at the call. Pauses that were asked for are not withdrawn.
        """
        self.look_again()
        if not self.pauses.covers(self._last_pause(), known_pause):
            return
        if self._recorded.record().status is not JobStatus.RUNNING and self._recorded.progress().remaining_chunks:
            self.change(lifecycle.RUN)

    def leave(self, status: JobStatus, error: BaseException | str | None = None) -> None:
        """End a loop's part in the job."""
        if status is JobStatus.PAUSED and isinstance(error, BaseException):
            # To refer to the error would keep its frames alive, with the locks that they hold.
            set_field(error, _PAUSED_JOB, self._job_id)
        self._leave(status, error)

    def _leave(
        self,
        status: JobStatus,
        error: BaseException | str | None,
        *,
        with_this_thread: bool = False,
        keeps_claims: bool = False,
    ) -> None:
        """End a loop's part in the job (or that of all loops of this thread, whose claims end if they are not kept).

        The job gets this status unless it is complete, or other loops or runners are at work on it. A state file that
        cannot be written is left to the close of the store: the results are in the store, and their caller gets them.
        """
        context, job_id = self._context, self._job_id
        claims = context.claims_of(job_id)
        context.pauses.record()
        if claims.runner.has_running_loop(but_this_thread=with_this_thread):
            return
        are_over = with_this_thread or (not claims.in_hand.has_yielded and claims.runner.is_dispensable())
        if are_over and not keeps_claims:
            claims.close()
        wanted = StatusChange(status, None if error is None else describe(error))
        own_runner_id = claims.runner.runner_id
        context.storage.job_changes.set_status(job_id, wanted, unless_others_work=True, own_runner_id=own_runner_id)
        context.job_ended(job_id)
        if with_this_thread and log.isEnabledFor(INFO):  # a loop has a line of its own
            status = context.reading.jobs.find(job_id).status
            if status is not JobStatus.COMPLETED:
                log.info("job %s: its with block has ended, and the job is %s", job_id, status)

    def enter_block(self) -> None:
        """Begin a ``with`` block of this thread; note whether it is part of the body of a loop of this job."""
        claims, thread = self._context.claims.at_hand(self._job_id), threading.get_ident()
        is_in_loop = claims is not None and thread in claims.runner.loop_threads
        self._blocks.setdefault(thread, []).append(is_in_loop)

    def leave_block(self, error: BaseException | None) -> None:
        """End a ``with`` block, and with it all loops of this thread; ``error`` is what ended the block.

        A block in the body of a loop ends no loop, and changes the job only if an error ended the block.
        """
        blocks, thread = self._blocks, threading.get_ident()
        is_in_loop = blocks[thread].pop() if blocks.get(thread) else False
        if not blocks.get(thread):
            blocks.pop(thread, None)
        if error is None and is_in_loop:
            return
        status, reason = (JobStatus.PAUSED, None) if error is None else lifecycle.ending_by(error)
        if getattr(reason, _PAUSED_JOB, None) == self._job_id:  # every chunk would meet it, as HTTP 401
            status = JobStatus.PAUSED
        self._leave(status, reason, with_this_thread=True, keeps_claims=is_in_loop)

    def record_failure(self, error: BaseException) -> None:
        """Record the error that ended a loop of this job; log the error if it cannot be recorded."""
        try:
            self.leave(*lifecycle.ending_by(error))
        except CheckpointStoreError as late:
            log_suppressed(late, f"the end of job {self._job_id} could not be recorded")

    def leave_out(self, seconds: float) -> None:
        """Leave ``seconds``, in which the machine slept, out of the job's rate. Durable when this returns."""
        self._context.storage.job_changes.leave_out(self._job_id, seconds)
        self._context.note_change(self._job_id)

    def note_run(self, record: RunRecord) -> None:
        """Keep the record of a loop that has ended."""
        self._context.last_runs[self._job_id] = record
