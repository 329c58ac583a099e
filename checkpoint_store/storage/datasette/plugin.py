"""The plug-in that Datasette loads where this package is installed: links between the tables of a store.

Datasette looks for the row that a foreign key names by the primary key of ``jobs``, which is not ``job_id``. Its own
links therefore lead nowhere. Databases that are no store are left as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from markupsafe import Markup
from pluggy import HookimplMarker

from checkpoint_store.model.store_file import APPLICATION_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

hookimpl: Final = HookimplMarker("datasette")  # Datasette's own, which has no types
_JOB_IDS: Final = ("job_id", "source_job_id", "superseded_by")
_ROWS: Final = {"result_id": "chunk_results", "runner_id": "runners"}
"""Columns that name a row of another table by its primary key."""
_COUNTS: Final = {("jobs", "completed_count"), ("job_progress", "completed")}
_LINKED: Final = {*_JOB_IDS, *_ROWS, "chunk_index", *(column for _, column in _COUNTS)}
_stores: Final[WeakKeyDictionary[Any, bool]] = WeakKeyDictionary()
"""Whether a database of Datasette is a store."""


@hookimpl
def render_cell(  # noqa: PLR0917 - pluggy passes them by position
    row: Mapping[str, Any], value: Any, column: str, table: str | None, database: str, datasette: Any
) -> Callable[[], Awaitable[Markup | None]] | None:
    """Return the link of a cell; None where Datasette is to show the cell as it does without this plug-in."""
    if column not in _LINKED or value is None:
        return None

    async def link() -> Markup | None:
        if not await _is_store(datasette, database):
            return None
        target = _target(datasette.urls, database, table, column, row)
        return None if target is None else Markup('<a href="{}">{}</a>').format(target, _label(value))

    return link


@hookimpl
def extra_template_vars(
    view_name: str, database: str | None, table: str | None, request: Any, datasette: Any
) -> Callable[[], Awaitable[dict[str, Any]]] | dict[str, Any]:
    """Return the rows of other tables that belong to a job, for the page of that job."""
    if view_name != "row" or table != "jobs" or database is None:
        return {}

    async def links() -> dict[str, Any]:
        if not await _is_store(datasette, database):
            return {}
        return {"foreign_key_tables": await _rows_of_job(datasette, database, request.url_vars["pks"])}

    return links


async def _is_store(datasette: Any, database: str) -> bool:
    opened = datasette.get_database(database)
    if opened not in _stores:
        rows = (await opened.execute("PRAGMA application_id")).rows
        _stores[opened] = [tuple(row) for row in rows] == [(APPLICATION_ID,)]
    return _stores[opened]


def _target(urls: Any, database: str, table: str | None, column: str, row: Mapping[str, Any]) -> str | None:
    """Return the address that a cell leads to, or None."""

    def filtered(other: str, **values: Any) -> str:
        return f"{urls.table(database, other)}?{urlencode(values)}"

    names = row.keys()
    if column in _JOB_IDS:
        return filtered("jobs", job_id=_plain(row[column]))
    if column in _ROWS:
        return None if _ROWS[column] == table else f"{urls.table(database, _ROWS[column])}/{_plain(row[column])}"
    if "job_id" not in names:
        return None
    job_id = _plain(row["job_id"])
    if column == "chunk_index":
        return None if table == "attempts" else filtered("attempts", job_id=job_id, chunk_index=row[column])
    return filtered("completed_chunks", job_id=job_id) if (table, column) in _COUNTS else None


def _plain(value: Any) -> Any:
    """Return the value of a cell that Datasette has given a label."""
    return value["value"] if isinstance(value, dict) else value


def _label(value: Any) -> str:
    return str(value["label"] if isinstance(value, dict) else value)


async def _rows_of_job(datasette: Any, database: str, job_number: str) -> list[dict[str, Any]]:
    """Return, for each table with rows about jobs, how many of them are about this job, and their address."""
    opened = datasette.get_database(database)
    incoming = (await opened.get_all_foreign_keys())["jobs"]["incoming"]
    rows = (await opened.execute("SELECT job_id FROM jobs WHERE job_number = ?", [job_number])).rows
    job_id = rows[0][0]
    counted = []
    for key in incoming:
        about_job = f'SELECT count(*) FROM "{key["other_table"]}" WHERE job_id = ?'  # noqa: S608 - one of our tables
        count = await opened.execute(about_job, [job_id])
        link = f"{datasette.urls.table(database, key['other_table'])}?{urlencode({'job_id': job_id})}"
        counted.append({**key, "count": count.rows[0][0], "link": link})
    return counted
