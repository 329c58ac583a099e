"""Write a report once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from checkpoint_store import replace_file
from checkpoint_store.report.collect import collected, jobs_of
from checkpoint_store.report.destination import ROWS_MAX, TEXT_BYTES_MAX, Options, refuse_to_replace, report_path
from checkpoint_store.report.template import page, require_extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job


def write(
    store: CheckpointStore,
    path: str | os.PathLike[str],
    jobs: Iterable[Job | str] | None = None,
    *,
    replace: bool = False,
    inputs: Mapping[str, Iterable[Any]] | None = None,
    cost: str = "cost",
    text_bytes_max: int = TEXT_BYTES_MAX,
    rows_max: int = ROWS_MAX,
) -> Path:
    """Write a page about jobs of ``store`` to ``path`` and return where; whole, durable and 0600 when this returns.

    The store is only read. Results and inputs stand in the page as they are; neither it nor the store has the secrets
    that a config or an error held. Root gives the page to the owner of the store.

    Args:
        store: an open store; ``read_only=True`` will do.
        path: a file whose name ends with ``.html``.
        jobs: which jobs (ids, file names, or jobs), in this order; None for all, the one opened last first.
        replace: put the page in the place of any file, and not only of an earlier report of this store.
        inputs: the chunks of jobs, by job id or file name, to be shown beside their results.
        cost: the field of the results, or the dotted path, that holds the cost.
        text_bytes_max: how many bytes of JSON of results and inputs the page holds. The jobs come in their order; the
            page counts what it leaves out.
        rows_max: how many completed chunks and attempts the page lists.

    Raises:
        MissingExtra: jinja2 is not installed. Nothing was read.
        ReportTargetError: something else is at ``path``. Nothing was written.
        JobNotFound: a name fits no job, or more than one.
        InvalidArgumentError: an option, or the inputs, do not fit.
    """
    require_extra()
    target = report_path(path)
    refuse_to_replace(store, target, replace=replace)
    options = Options(inputs=inputs, cost=cost, text_bytes_max=text_bytes_max, rows_max=rows_max)
    write_page(store, target, jobs, options, replace=replace)
    return target


def pieces(
    store: CheckpointStore,
    jobs: Iterable[Job | str] | None = None,
    *,
    inputs: Mapping[str, Iterable[Any]] | None = None,
    cost: str = "cost",
    text_bytes_max: int = TEXT_BYTES_MAX,
    rows_max: int = ROWS_MAX,
) -> Iterator[str]:
    """Yield the text of the page that :func:`write` writes, for a caller who does not want it in a file."""
    require_extra()
    options = Options(inputs=inputs, cost=cost, text_bytes_max=text_bytes_max, rows_max=rows_max)
    return _page_of(store, jobs, options, None)


def write_page(
    store: CheckpointStore,
    target: Path,
    jobs: Iterable[Job | str] | None,
    options: Options,
    *,
    replace: bool,
    refresh_seconds: float | None = None,
) -> None:
    """Write the page; check the file at ``target`` again right before it is replaced."""

    def whole() -> Iterator[str]:
        yield from _page_of(store, jobs, options, refresh_seconds)
        refuse_to_replace(store, target, replace=replace)

    replace_file(target, whole(), like=store.path)


def _page_of(
    store: CheckpointStore, jobs: Iterable[Job | str] | None, options: Options, refresh_seconds: float | None
) -> Iterator[str]:
    parts = collected(store, jobs_of(store, jobs), options)
    name = f"{store.path.parent.name}/{store.path.name}".lstrip("/")
    name = os.fsencode(name).decode("utf-8", "backslashreplace")  # the name of a folder need not be UTF-8
    return page(parts, store_name=name, written_at=round(time.time() * 1000), refresh_seconds=refresh_seconds)
