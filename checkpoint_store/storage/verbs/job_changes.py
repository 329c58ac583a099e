"""The verbs of the storage that change jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, JobIncomplete, JobNotFound, StorageUnavailableError
from checkpoint_store.model.clock import now
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.backup import remove_backups
from checkpoint_store.storage.connection.open_lock import store_lock
from checkpoint_store.storage.files import stand_ins
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.records.state_fields import metadata_text
from checkpoint_store.storage.statements.attempts import attempt_log, liveness
from checkpoint_store.storage.statements.attempts import runners as runner_statements
from checkpoint_store.storage.statements.job_rows import finish_if_done
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import pruning, stretch
from checkpoint_store.storage.statements.plans.open_job import look_again
from checkpoint_store.storage.verbs.base import WritingVerbs
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from checkpoint_store.model.reports import Prunable, PruneRequest
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import StatusChange


_EXACT_NUMBER_WAIT_SECONDS_MAX: Final = 0.5
"""The longest wait for other processes of a verb that only makes a number exact."""


class JobChanges(WritingVerbs):
    """The verbs that change jobs of one store file, and delete them. Safe to share between threads."""

    def set_status(
        self, job_id: str, change: StatusChange, *, unless_others_work: bool = False, own_runner_id: int | None = None
    ) -> None:
        """Change a job's status, and ask for a pause or withdraw one, as the record says. Durable when this returns.

        With ``unless_others_work`` nothing is changed if another runner than the caller's own is at work on the job.

        Raises:
            JobNotFound: the job was deleted.
            JobIncomplete: the job is to be completed, and chunks are left.
        """

        def write(connection: sqlite3.Connection) -> None:
            if unless_others_work and liveness.others_at_work(
                connection, self.path, job_id, own_runner_id=own_runner_id
            ):
                return
            if change.withdraws_pauses:
                runner_statements.CLEAR_PAUSES.run(connection, in_job=job_id, at=now())
            if change.is_completed_instead and finish_if_done(connection, job_id):
                return
            if change.needs_all_chunks:
                record = job_statements.find_job(connection, job_id, self.path)
                raise JobIncomplete(job_id, record.remaining_count)
            times = stretch.changes_now(connection, job_id, self.path)
            values = {"status": change.status.value, "error_message": change.message, **times}
            job_statements.update_job(connection, job_id, self.path, **values)
            if change.asks_for_pause:
                runner_statements.ASK_TO_PAUSE.run(connection, job_id=job_id, asked_at=now())

        self._database.write(write)

    def look_again(self, request: OpenRequest, job_id: str) -> None:
        """Give a job the results that other jobs got since it was opened with a request. Durable when this returns."""
        self._database.write(lambda connection: look_again(connection, request, job_id, self.path))

    def leave_out(self, job_id: str, seconds: float) -> None:
        """Take the last ``seconds`` out of a job's worked time, if no completion came in them. Durable on return.

        Raises:
            StoreBusy: the store is being written to. Nothing was changed.
        """

        def write(connection: sqlite3.Connection) -> None:
            stretch.leave_out(connection, job_id, self.path, seconds)

        self._database.write_if_free(write, patience_seconds=_EXACT_NUMBER_WAIT_SECONDS_MAX)

    def set_metadata(self, job_id: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a job. Durable when this returns.

        Raises:
            JobNotFound: the job was deleted.
        """

        def write(connection: sqlite3.Connection) -> None:
            # The work on a chunk may call this while the job runs.
            is_running = job_statements.find_job(connection, job_id, self.path).status is JobStatus.RUNNING
            times = {"updated_at": now()} if is_running else stretch.changes_now(connection, job_id, self.path)
            job_statements.update_job(connection, job_id, self.path, metadata=metadata_text(metadata), **times)

        self._database.write(write)

    def retry_failed(self, job_id: str, indices: Sequence[int] | None) -> int:
        """Give these failed chunks (None: all) their attempts back, and return how many they are. Durable on return."""
        return self._database.write(attempt_log.retry_failed, job_id, indices)

    def delete(self, job_id: str) -> str:
        """Delete the job with this id or unique prefix of it, and return its id. Durable when this returns.

        The job is deleted then; :meth:`erase_deleted` removes its bytes from backups and from the WAL.

        Raises:
            JobNotFound: no job has this id, or more than one, or the prefix has fewer than eight characters.
        """

        def write(connection: sqlite3.Connection) -> str:
            whole_id = job_statements.find_job(connection, job_id, self.path).job_id
            JobNotFound.refuse_short(job_id, whole_id, self.path)
            job_statements.delete_jobs(connection, [whole_id])
            return whole_id

        return self._database.write(write)

    def prune(self, request: PruneRequest) -> Prunable:
        """Delete jobs and attempts by a request, and return what went. Durable when this returns.

        :meth:`erase_deleted` removes the bytes of the jobs from backups and from the WAL.
        """
        return self._database.write(pruning.prune, self.path, request)

    def remove_unfinished(self) -> None:
        """Remove the unfinished files that killed processes left beside the store."""
        try:
            with store_lock(self.path, self._database.lock_timeout_seconds):
                Siblings(self.path).remove_unfinished()
        except CheckpointStoreError as error:
            log_suppressed(error, f"{self.path}: unfinished files beside it, if there are any, stay for now")

    def erase_deleted(self, job_id: str) -> None:
        """Remove every byte of a deleted job from all copies beside the store and from the WAL, and shrink the file.

        The copies are the automatic backups, and those that a killed command left in a stand-in.
        If the file cannot shrink now (a full disk, somebody at work), later results use its free pages.

        Raises:
            ErasureUnfinished: a reader was active all the time. The job is deleted all the same.
            StorageUnavailableError: a copy cannot be removed. The others are, and the job is deleted all the same.
        """
        left = remove_backups(self.path)
        self.remove_unfinished()
        for folder in stand_ins.left_of(self.path):
            try:
                stand_ins.remove(folder)
            except StorageUnavailableError as error:
                log_suppressed(error, f"{folder}: a stand-in of job {job_id} could not be removed")
                left.append(folder)
        try:
            self._database.writer.give_room_back()
        except CheckpointStoreError as error:
            log_suppressed(error, f"{self.path}: the room of job {job_id} could not be given back")
        remedy = f"Job {job_id} is deleted from {self.path}. Remove what still may have it: {', '.join(map(str, left))}"
        try:
            self._database.writer.scrub_wal(job_statements.touch, f"job {job_id}")
        except CheckpointStoreError as error:
            if left:
                error.add_note(remedy)
            raise
        if left:
            raise StorageUnavailableError(left[0], "it cannot be removed", remedy)
