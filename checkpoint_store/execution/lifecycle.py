"""The changes of a job: its status, its pauses, its end. Each is one transaction; then the state file is made exact."""

from __future__ import annotations

import signal
import threading
from logging import INFO
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, JobPaused
from checkpoint_store.execution.claims.requests import KnownPauses, must_queue_pause
from checkpoint_store.execution.other_plans import look_again
from checkpoint_store.model.error_text import checked_error, describe, readable, set_field
from checkpoint_store.model.money import COST_DEFAULT
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.service_answer import field_of
from checkpoint_store.storage.records.records import StatusChange
from checkpoint_store.system.log import log, log_suppressed
from checkpoint_store.system.threads import is_in_signal_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.execution.recorded_job import RecordedJob
    from checkpoint_store.model.loop_records import RunRecord
    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.storage import Storage


PAUSE: Final = StatusChange(JobStatus.PAUSED, asks_for_pause=True)
RUN: Final = StatusChange(JobStatus.RUNNING)
"""The change when a loop begins. It withdraws no pause: loops of other runners that were asked to pause still end."""
RESUME: Final = StatusChange(JobStatus.RUNNING, withdraws_pauses=True)
FINISH: Final = StatusChange(JobStatus.COMPLETED, needs_all_chunks=True)
_PAUSED_JOB: Final = "_checkpoint_store_paused_job"
"""The attribute of an error in which a loop notes the job that it has paused for this error."""
_EXIT_CODES: Final = {128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
"""The exit codes of a program that a signal ended."""


def asks_to_end(error: BaseException) -> bool:
    """Whether an exception asks a program to end or to stop waiting, and reports no failure.

    These are the exceptions of Ctrl-C, a cancelled task, a closed generator, ``sys.exit()``, and the exit code of a
    signal.
    """
    code = field_of(error, "code")
    return not isinstance(error, Exception) and (not code or code in _EXIT_CODES)


def ending_by(error: BaseException) -> tuple[JobStatus, BaseException | None]:
    """Return the status of a job whose work an exception ended, and the error to keep with the job."""
    if asks_to_end(error) or type(error) is JobPaused:
        return JobStatus.PAUSED, None
    error = readable(error)
    return JobStatus.PAUSED if isinstance(error, JobPaused) else JobStatus.FAILED, error


def change(context: StoreContext, job_id: str, wanted: StatusChange) -> None:
    """Change a job's status as the record says (not to completed while chunks are left). Durable on return."""
    _record_change(context, context.storage, job_id, wanted)
    context.job_ended(job_id)


def _record_change(context: StoreContext, storage: Storage, job_id: str, wanted: StatusChange) -> None:
    storage.job_changes.set_status(job_id, wanted)
    if wanted.asks_for_pause:
        context.pause_recorded(job_id)
        log.info("job %s: a pause was asked for; each loop on it ends after the chunks in hand", job_id)


def change_soon(context: StoreContext, job_id: str, wanted: StatusChange) -> None:
    """Change a job's status in a signal handler that interrupted a call of the library; see :class:`QueuedPauses`."""
    storage = context.storage  # a read-only store refuses now

    def record() -> None:
        _record_change(context, storage, job_id, wanted)
        context.job_changed(job_id)

    context.pauses.add(job_id, record, is_pause=wanted.asks_for_pause)


def status_change(status: str, error: BaseException | str | None) -> StatusChange:
    """Return the change to the status with this name, with the message of an error, without secrets; both checked."""
    if status not in list(JobStatus):
        raise InvalidArgumentError("status", status, f"is none of {', '.join(JobStatus)}")
    message = None if error is None else describe(checked_error(error))
    return StatusChange(JobStatus(status), message, is_completed_instead=False)


def keep_errors(context: StoreContext, error: BaseException) -> None:
    """Record an exception with each job whose loop it ended, unless the caller has ended the job itself."""
    for job_id, cause in context.loops.left.ended_by(readable(error)).items():
        try:
            record = context.reading.jobs.find(job_id)
            if record.status in (JobStatus.RUNNING, JobStatus.PAUSED) and record.error_message is None:
                status, reason = ending_by(cause)
                wanted = StatusChange(status, None if reason is None else describe(reason))
                claims = context.claims.at_hand(job_id)
                own_runner_id = None if claims is None else claims.runner.runner_id
                context.storage.job_changes.set_status(
                    job_id, wanted, unless_others_work=True, own_runner_id=own_runner_id
                )
                context.job_changed(job_id)
        except CheckpointStoreError as late:
            log_suppressed(late, f"what ended the loop of job {job_id} could not be recorded")


def delete(context: StoreContext, job_id: str, *, and_backup: bool) -> None:
    """Delete a job for good, from every file of its store; see :meth:`CheckpointStore.delete_job`.

    ``and_backup``: delete the ``.bak`` of the state file, whichever job it shows.
    """
    deleted: list[str] = []

    def delete_rows() -> list[str]:
        # From here on the job is deleted. If the process is killed now, the next open ends the deletion.
        deleted.append(context.storage.job_changes.delete(job_id))
        return deleted

    try:
        delete_with_copies(context, delete_rows, and_backup=and_backup)
    finally:
        if deleted:  # nobody can ask for the deletion again: the store no longer has the job
            context.storage.job_changes.erase_deleted(deleted[0])


def delete_with_copies(
    context: StoreContext, delete_rows: Callable[[], Sequence[str]], *, and_backup: bool = False
) -> None:
    """Delete jobs, their unrecorded results, and the state file and its ``.bak`` if they show these jobs.

    ``delete_rows`` deletes the jobs from the store and returns their ids; it is not called if another program keeps the
    lock of the state file. ``and_backup``: see :meth:`StateFile.forget`.
    """

    def delete_and_forget() -> Sequence[str]:
        deleted = delete_rows()
        for job_id in deleted:
            context.unrecorded.forget(job_id)
        return deleted

    if context.state_file is None:
        delete_and_forget()
    else:
        context.state_file.forget(delete_and_forget, and_backup=and_backup)


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
        """Change the job's status; see :func:`change`."""
        self._context.pauses.record()  # first: they were asked for before
        change(self._context, self._job_id, wanted)

    def pause(self) -> None:
        """Ask for a pause; see :meth:`Job.pause`.

        The caller knows of the pause, so it ends no loop that the caller begins later. A signal handler is not the
        caller of the loops: its pause ends the loop that begins next.
        """
        if must_queue_pause():
            change_soon(self._context, self._job_id, PAUSE)
            return
        self.change(PAUSE)
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
            self.change(RUN)

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
        status, reason = (JobStatus.PAUSED, None) if error is None else ending_by(error)
        if getattr(reason, _PAUSED_JOB, None) == self._job_id:  # every chunk would meet it, as HTTP 401
            status = JobStatus.PAUSED
        self._leave(status, reason, with_this_thread=True, keeps_claims=is_in_loop)

    def record_failure(self, error: BaseException) -> None:
        """Record the error that ended a loop of this job; log the error if it cannot be recorded."""
        try:
            self.leave(*ending_by(error))
        except CheckpointStoreError as late:
            log_suppressed(late, f"the end of job {self._job_id} could not be recorded")

    def leave_out(self, seconds: float) -> None:
        """Leave ``seconds``, in which the machine slept, out of the job's rate. Durable when this returns."""
        self._context.storage.job_changes.leave_out(self._job_id, seconds)
        self._context.note_change(self._job_id)

    def note_cost_place(self, cost: Cost) -> None:
        """Note where the cost stands in the results of the job, for results that are completed by hand."""
        if cost != COST_DEFAULT:
            self._context.cost_places[self._job_id] = cost

    def note_run(self, record: RunRecord) -> None:
        """Keep the record of a loop that has ended."""
        self._context.last_runs[self._job_id] = record
