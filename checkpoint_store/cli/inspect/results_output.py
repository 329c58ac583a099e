"""Results and tables for programs (``--csv``, ``--tsv``), and a notice if results are missing."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.redone import to_redo_text
from checkpoint_store.cli.screen import Screen, chunk_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from checkpoint_store import Job


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


def counted_out(job: Job, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield all the items; then say on stderr how many chunks have a result, if not each one has its final result.

    In a file into which stdout goes, the results of a half-done job look whole.
    """
    count = 0
    for item in items:
        yield item
        count += 1
    if count < job.total_chunks:
        whole = f"{chunk_count(job.total_chunks)} of job {job.job_id[:8]}"
        Screen().note(f"not all results: {count:,} of the {whole} {'has' if count == 1 else 'have'} a result")
    if to_redo := len(job.to_redo()):
        Screen().note(to_redo_text(to_redo))
