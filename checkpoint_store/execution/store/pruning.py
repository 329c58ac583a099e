"""Prune a store: first its rows, then the files that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.lifecycle import delete_with_copies
from checkpoint_store.model.prune_report import PruneReport
from checkpoint_store.state_file.reader import job_shown_by
from checkpoint_store.storage.files.names import state_copies
from checkpoint_store.storage.prunable_files import prunable_files, remove_files
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.prune_report import Prunable, PruneRequest


def look(context: StoreContext, state_file: Path | None, request: PruneRequest) -> PruneReport:
    """Return what a prune would delete. Nothing is written."""
    return _report(context, state_file, request, context.reading.prunable(request), dry_run=True)


def prune(context: StoreContext, state_file: Path | None, request: PruneRequest) -> PruneReport:
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
        files += [(path, path.stat().st_size) for path in states if job_shown_by(path) in rows.jobs]
    size = rows.result_bytes + sum(size for _, size in files)
    return PruneReport(rows.jobs, rows.attempts, tuple(path for path, _ in files), size, dry_run)
