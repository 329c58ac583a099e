"""The page as text: the template, its style and its script, and the data that the script draws."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import MissingExtra, __version__
from checkpoint_store.report.destination import name_in_mark
from checkpoint_store.report.texts import BLOCK_CHUNKS, json_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Template

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
