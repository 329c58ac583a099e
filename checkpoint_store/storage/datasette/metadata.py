"""The metadata by which Datasette shows a store: titles, labels, hidden tables, and canned queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.flags import checked_flag
from checkpoint_store.storage.datasette.canned_queries import CANNED_QUERIES
from checkpoint_store.storage.opened_store import open_for_reading
from checkpoint_store.storage.target import resolve

if TYPE_CHECKING:
    import os

_DESCRIPTIONS: Final = {
    "jobs": "Inputs that are, or were, worked on. The job that was opened last has the highest number.",
    "completed_chunks": "Chunks whose result is durable.",
    "chunk_results": "Results, as JSON.",
    "attempts": "Tries at chunks, with their outcome, error and seconds.",
    "runners": "Processes that work, or worked, on a job.",
    "job_progress": "How far each job has come.",
    "job_costs": "What each job cost.",
    "failed_chunks": "Chunks that used up their tries.",
    "in_doubt_chunks": "Chunks whose last try never ended: it may have been billed.",
    "running_now": "Chunks that are being worked on.",
}
_HIDDEN: Final = ("alembic_version", "deleted_jobs", "pauses", "chunk_redos", "chunk_keys", "chunk_handles")
_NEWEST_FIRST: Final = {"jobs": "job_number", "runners": "runner_id"}
_LABELS: Final = {"jobs": "file_name", "runners": "host"}


def datasette_metadata(target: str | os.PathLike[str], *, private: bool = False) -> dict[str, Any]:
    """Return the metadata with which Datasette shows a store well: ``datasette STORE -m METADATA.json``.

    Args:
        target: the path of the store file, which is opened read-only.
        private: show the store to nobody but the person who starts Datasette with ``--root``. Otherwise every user of
            the machine who can reach the port sees it.

    Raises:
        StoreTargetError, SchemaTooOld, SchemaTooNew: it is no store of this version.
    """
    is_private = checked_flag("private", private)
    path = resolve(target)
    open_for_reading(path, (), lock_timeout_seconds=10.0).close()
    name = path.stem  # by which Datasette knows the file
    heading = {"title": f"{name}: jobs and results", "description": "A store of checkpoint_store. Only read it."}
    allowed: dict[str, Any] = {"allow": {"id": "root"}} if is_private else {}
    tables = {table: _table(table) for table in _DESCRIPTIONS} | {table: {"hidden": True} for table in _HIDDEN}
    queries = {name: {"title": query.title, "sql": query.sql} for name, query in CANNED_QUERIES.items()}
    return {"databases": {name: {**heading, **allowed, "tables": tables, "queries": queries}}}


def _table(name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"description": _DESCRIPTIONS[name]}
    if name in _NEWEST_FIRST:
        metadata["sort_desc"] = _NEWEST_FIRST[name]
    if name in _LABELS:
        metadata["label_column"] = _LABELS[name]
    return metadata
