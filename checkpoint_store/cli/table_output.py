"""Tables for programs: ``--csv`` and ``--tsv``."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--csv`` and ``--tsv``; the function takes ``table_format``: ``"csv"``, ``"tsv"`` or None."""
    for name in reversed(_DELIMITERS):
        text = f"Print a table on stdout, as {name.upper()}."
        function = click.option("table_format", f"--{name}", flag_value=name, default=None, help=text)(function)
    return function


def refuse_two_formats(table_format: str | None, *, as_json: bool) -> None:
    """Raise a usage error where both JSON and a table are asked for."""
    if as_json and table_format is not None:
        raise click.UsageError(f"--json and --{table_format} exclude each other.")


def print_table(table_format: str, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Print these fields of the rows under a line with their names; what is absent or None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, extrasaction="ignore", delimiter=_DELIMITERS[table_format], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    click.echo(text.getvalue(), nl=False)


def _cell(value: Any) -> Any:
    """Return a text on one line, without what steers a screen: a line is a row."""
    if not isinstance(value, str):
        return value
    return "".join(char if char.isprintable() else " " for char in str(value))
