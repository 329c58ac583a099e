"""The changes of a job: its status and its redo marks. Each is one transaction; then the state file is made exact."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, JobPaused
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import checked_error, describe, readable
from checkpoint_store.model.money import cost_in
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.service_answer import field_of
from checkpoint_store.storage.records.records import StatusChange
from checkpoint_store.system.log import WarningsLast, log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.storage import Storage


PAUSE: Final = StatusChange(JobStatus.PAUSED, asks_for_pause=True)
RUN: Final = StatusChange(JobStatus.RUNNING)
"""The change when a loop begins. It withdraws no pause: loops of other runners that were asked to pause still end."""
RESUME: Final = StatusChange(JobStatus.RUNNING, withdraws_pauses=True)
FINISH: Final = StatusChange(JobStatus.COMPLETED, needs_all_chunks=True)
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


def earlier_cost(context: StoreContext, job_id: str, index: int, cost: Cost, *, replace: bool) -> float | None:
    """Return the cost of the result that the next result of a chunk replaces; None if a usual field holds it.

    The earlier result is replaced if the chunk is to be done again, or if the caller asks for that (``replace``).

    A ``cost`` function is the caller's. It is called here, outside of any transaction. A store that is closed, or an
    earlier result that is damaged, raises nothing: the next result is paid for, and is to be recorded or kept.
    """
    try:
        is_by_hand = replace and context.reading.results.digest(job_id, index) is not None
        if not is_by_hand and not context.reading.marks.has(job_id, index):
            return None
        with suppress(Warning), WarningsLast():  # a warning of a healed result may be an error here
            text = context.reading.results.text(job_id, index)
        return cost_in(json_text.decode(text), cost)
    except (CheckpointStoreError, ValueError) as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: what its earlier result cost could not be read")
        return None
