"""Write a report once: the template, its style and its script, and the data that the script draws."""

from __future__ import annotations

import base64
import os
import time
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import MissingExtra, __version__, replace_file
from checkpoint_store.report.collect import collected, jobs_of
from checkpoint_store.report.destination import (
    ROWS_MAX,
    TEXT_BYTES_MAX,
    Options,
    name_in_mark,
    refuse_to_replace,
    report_path,
)
from checkpoint_store.report.texts import BLOCK_CHUNKS, json_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jinja2 import Template

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.report.collect import JobPart


_SCRIPTS: Final = (
    "page.js",
    "words.js",
    "data.js",
    "map.js",
    "plots.js",
    "facts.js",
    "chunks.js",
    "chunk.js",
    "main.js",
)
"""The script files, in the order in which the page has them."""


def require_extra() -> None:
    """Raise :class:`MissingExtra`, which says what to install, where the extra ``report`` is not there."""
    _template()


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, StrictUndefined  # of an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("jinja2", "report", "a report") from missing

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("page.html.j2"))


@cache
def _text(name: str) -> str:
    return files("checkpoint_store.report").joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def page(parts: Sequence[JobPart], *, store_name: str, written_at: int, refresh_seconds: float | None) -> Iterator[str]:
    """Yield the parts of the text of the page.

    ``store_name`` has the names of the store file and its folder: enough to recognise the store, and no private path.
    The page was ``written_at`` so many milliseconds since 1970, UTC. It loads itself again after ``refresh_seconds``;
    None if it is final.
    """
    style = _text("style.css")
    script = "\n".join(["(() => {", '"use strict";', *map(_text, _SCRIPTS), "})();"])
    index: dict[str, Any] = {
        "written_at": written_at,
        "refresh_seconds": refresh_seconds,
        "block_chunks": BLOCK_CHUNKS,
        "jobs": [part.facts for part in parts],
    }
    yield from _template().generate(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=__version__,
        mark=" ".join(name_in_mark(part.facts["job_id"]) for part in parts),
        store_name=store_name,
        index=json_block(index),
        jobs=[part.facts for part in parts],
        parts=parts,
        columns=[json_block(part.columns) for part in parts],
    )


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
