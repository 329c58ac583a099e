"""Maintenance of an open store: merge the work of other machines, and prune what nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StateFormatError, StoreTargetError
from checkpoint_store.execution.lifecycle import delete_with_copies
from checkpoint_store.execution.store.open_store import OpenStore
from checkpoint_store.execution.unrecorded.taking_in import warn_of_waiting
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.reports import PruneReport, prune_request
from checkpoint_store.state_file.reader import job_shown_by, read_state, without_secrets
from checkpoint_store.storage.files.names import state_copies
from checkpoint_store.storage.surplus_files import prunable_files, remove_files, size_of
from checkpoint_store.storage.target import NO_DATABASE, resolve
from checkpoint_store.system.log import WarningsLast, log
from checkpoint_store.system.paths import absolute, is_same_file

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.reports import MergeReport, Prunable, PruneRequest

_STATE_SUFFIXES: Final = (".json", ".bak")


class StoreMaintenance(OpenStore):
    """The part of :class:`CheckpointStore` that maintains the whole store. Safe to share between threads."""

    def merge(self, path: str | os.PathLike[str]) -> MergeReport:
        """Take in what another machine did: the jobs of another store, or of a state file. Durable when this returns.

        A job of the same plan (or the same id) gets the results that it lacks, each verified by its digest, and the
        attempts with their hosts and costs; merged results count as paid by this job. A job that then has all results
        is ``completed``. A job that this store lacks is added, and supersedes no job. Each job is one transaction:
        after a kill merge again. Stores can be merged in any order, and more than once.

        Args:
            path: the other store, of any schema (its processes may be at work), or a state file. It is only read.

        Returns:
            What was taken of each job. Where both stores have a result for a chunk and the results differ, this store
            keeps its own, and ``contradictions`` names the chunk; so does a warning in the log. A job that was deleted
            here, or is of another plan under the same id, is ``passed_over``. Results that the other store could not
            record yet, and keeps in a file, are not taken: a warning in the log names that file.

        Raises:
            StoreTargetError: ``path`` is neither a store nor a state file, or is this store. Nothing was changed.
            StateFormatError: the state file cannot be read; the error names the field. Nothing was changed.
            SchemaTooNew, StoreDamaged: the other store cannot be read whole. Nothing was changed.
        """
        storage, other = self._open.storage, absolute(path, "for a merge")
        self._refuse_itself(other)
        with WarningsLast():
            if other.suffix in _STATE_SUFFIXES:
                report = storage.merge(other, without_secrets(read_state(other))[0])
            else:
                try:
                    report = storage.merge(resolve(path))
                    warn_of_waiting(resolve(path))
                except StoreTargetError as error:
                    if NO_DATABASE not in error.reason:
                        raise
                    report = self._merge_state_of_other_name(other, error)
            self._follow({job.job_id for job in report.jobs if job.passed_over is None})
        return report

    def prune(
        self, *, keep_last: int | None = None, older_than_days: float | None = None, dry_run: bool = True
    ) -> PruneReport:
        """Delete old and superseded jobs, for good, or (``dry_run``, the default) only say which.

        A job that went is paid for again if its input is opened again. So where some inputs are opened again and again,
        keep at least as many jobs as there are inputs: a job that is complete gets no younger by being opened.

        These go: jobs that are superseded or complete; attempts that are older than ``older_than_days`` and cost
        nothing, at complete chunks of the jobs that stay; files that a recovery or a restoring moved aside; automatic
        backups but the newest two (all of them, if a job goes: a new one is made); a state file that shows a job which
        goes. A job stays where a runner is at work on it, and where a service holds work of it (a handle of a chunk
        that is not complete). What another job carries of a deleted job's results stays, with the id of the payer.

        Args:
            keep_last: how many jobs stay because they were opened last. 0: no job stays for that reason.
            older_than_days: keep what changed within this many days, by the clock of this machine. With both options,
                a job goes only where both let it go; without an option, no job and no attempt goes.
            dry_run: delete nothing, as in a read-only store.

        Returns:
            What went, or would go, as ``.jobs`` (ids), ``.attempts`` (a number), ``.files`` (paths) and ``.bytes``.

        Raises:
            InvalidArgumentError: an argument has a wrong type or value. Nothing was deleted.
            ErasureUnfinished: a reader was in the way. All of it is deleted, and its bytes are still in the WAL.
            StorageUnavailableError: all of it is deleted; a backup that the error names cannot be removed, and has it.
        """
        request = prune_request(keep_last, older_than_days)
        if checked_flag("dry_run", dry_run):
            return _report(self._open, self.state_file, request, self._open.reading.prunable(request), dry_run=True)
        return _pruned(self._open, self.state_file, request)

    def _refuse_itself(self, other: Path) -> None:
        own = [self.path, *([] if self.state_file is None else [self.state_file])]
        for file in own:
            if is_same_file(other, file):
                raise StoreTargetError(other, f"it is this store itself ({file}); name the store of another machine")

    def _merge_state_of_other_name(self, other: Path, error: StoreTargetError) -> MergeReport:
        try:
            state = read_state(other)
        except StateFormatError:
            raise error from None
        return self._open.storage.merge(other, without_secrets(state)[0])

    def _follow(self, changed: set[str]) -> None:
        """Make the state file exact after a merge, and make an automatic backup."""
        current = next(iter(self._open.reading.jobs.matching(current=True)), None)
        if current is not None and current.job_id in changed:
            self._open.job_changed(current.job_id)
        if changed:
            self._open.back_up()


def _pruned(context: StoreContext, state_file: Path | None, request: PruneRequest) -> PruneReport:
    """Delete what a request names, and return the report; see :meth:`CheckpointStore.prune`.

    Jobs and attempts are deleted in one transaction. After a kill, the next open removes the backups that have a
    deleted job, and a state file that shows it; the next prune removes the other files.
    """
    storage = context.storage
    reports: list[PruneReport] = []

    def delete_rows() -> tuple[str, ...]:
        pruned = storage.job_changes.prune(request)
        reports.append(_report(context, state_file, request, pruned, dry_run=False))
        return pruned.jobs

    try:
        delete_with_copies(context, delete_rows)
        remove_files(reports[0].files)
        storage.job_changes.remove_unfinished()
        log.info("%s: %s", storage.path, reports[0])
    finally:  # no later prune finds these jobs
        if reports and reports[0].jobs:
            storage.job_changes.erase_deleted(", ".join(reports[0].jobs))
            context.back_up()
    return reports[0]


def _report(
    context: StoreContext, state_file: Path | None, request: PruneRequest, rows: Prunable, *, dry_run: bool
) -> PruneReport:
    states = () if state_file is None else state_copies(state_file)
    files = prunable_files(context.reading.path, states, request, with_jobs=bool(rows.jobs))
    if rows.jobs:
        copies = [path for path in states if job_shown_by(path) in rows.jobs]
        files += [(path, size) for path in copies if (size := size_of(path)) is not None]  # a writer may move it now
    size = rows.result_bytes + sum(size for _, size in files)
    return PruneReport(rows.jobs, rows.attempts, tuple(path for path, _ in files), size, dry_run)
