"""The HTML by which a notebook shows a record: without scripts and without styles.

Every text is escaped, and secrets in it are replaced: a notebook is saved, and shown to others.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG_LENGTH_MAX: Final = 1_000
"""Characters of the longest config that is shown whole."""


def text(value: str | None) -> str:
    """Return a text as HTML: escaped, and without secrets and control characters."""
    return html.escape(describe(value or ""))


def config(value: Mapping[str, Any]) -> str:
    """Return a config as JSON, without secrets; a long text is cut."""
    from checkpoint_store.model.codec.secrets import redact_secrets  # its patterns are for few callers

    message = describe(json.dumps(redact_secrets(value), ensure_ascii=False)) if value else ""
    return html.escape(message if len(message) <= _CONFIG_LENGTH_MAX else f"{message[:_CONFIG_LENGTH_MAX]}…")


def bar(done: int, total: int) -> str:
    """Return a bar that is full at ``total``. The bar is also full if ``total`` is 0."""
    return f'<progress value="{done if total else 1}" max="{total or 1}"></progress>'


def table(caption: str, rows: Mapping[str, str]) -> str:
    """Return a table of the rows that have a value. Caption and values are HTML."""
    lines = (f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows.items() if value)
    return f"<table><caption>{caption}</caption>{''.join(lines)}</table>"
