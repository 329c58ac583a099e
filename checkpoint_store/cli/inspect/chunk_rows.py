"""The chunks of a job as a map, and as rows: adjacent untried chunks of the same status share a row."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from checkpoint_store import StoreDamaged
from checkpoint_store.cli import screen
from checkpoint_store.cli.job_snapshot import tries_in_vain
from checkpoint_store.cli.messages import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from checkpoint_store import ChunkRecord, Job


class _Sign(NamedTuple):
    name: str
    sign: str
    plain: str
    """The sign on a console that shows ASCII alone."""
    style: str


_SIGNS: Final = (
    _Sign("failed", "✗", "!", "bold red"),
    _Sign("in doubt", "?", "?", "yellow"),
    _Sign("running", "▸", ">", "cyan"),
    _Sign("to redo", "↻", "~", "blue"),
)
"""The marks that take precedence in a cell over the share that is completed, the most important first."""


def chunk_map(
    console: Console,
    completed: Sequence[tuple[int, int]],
    total: int,
    others: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> Text:
    """Return a map of the chunks: one line for few chunks, at most three for any number, and a line of words.

    ``completed`` and ``others`` are half-open ranges, ``completed`` ascending, ``others`` of the chunks that are
    ``failed``, ``in doubt``, ``running`` or ``to redo``. A cell of several chunks has the sign of the first of these
    kinds that it holds, so that one failed chunk in a million is seen.
    """
    width = max(10, min(console.width, 104) - 4)
    width -= width % 10
    cells = min(total, width * (1 if total <= width else 3))
    drawn = list(_cells(console, completed, total, others or {}, cells))
    picture = Text()
    for start in range(0, cells, width):
        picture.append("  ")
        for character, style in drawn[start : start + width]:
            picture.append(character, style=style)
        picture.append("\n")
    each = "a cell is one chunk" if cells == total else f"a cell is about {screen.chunk_count(round(total / cells))}"
    words = f"  chunks 0 to {total - 1:,}, {each}"
    if len(words) > console.width:
        words = f"  0 to {total - 1:,}, {'' if cells == total else 'about '}{round(total / cells):,} a cell"
    picture.append(words, style="dim")
    return picture


def _cells(
    console: Console,
    completed: Sequence[tuple[int, int]],
    total: int,
    others: Mapping[str, Sequence[tuple[int, int]]],
    cells: int,
) -> Iterator[tuple[str, str]]:
    shades = screen.marks(console).shades
    signs = [sign for sign in _SIGNS if others.get(sign.name)]
    held = [screen.shares(others[sign.name], total, cells) for sign in signs]
    for cell, share in enumerate(screen.shares(completed, total, cells)):
        sign = next((sign for sign, parts in zip(signs, held, strict=True) if parts[cell]), None)
        if sign is not None:
            yield _character(console, sign), sign.style
        else:
            yield screen.shade(share, shades), "green" if share else "dim"


def ranges_of(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Return chunk indices as half-open ranges, ascending."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges


def _character(console: Console, sign: _Sign) -> str:
    return sign.plain if console.options.ascii_only else sign.sign


def legend(console: Console, names: Sequence[str], *, is_left: bool = True) -> Text:
    """Return the signs of the map with their meaning: completed chunks, the kinds in ``names``, and chunks left."""
    shades = screen.marks(console).shades
    parts = [(shades[-1], "green", "completed")]
    parts += [(_character(console, sign), sign.style, sign.name) for sign in _SIGNS if sign.name in names]
    parts += [(shades[0], "dim", "left")] if is_left else []
    lines, line = [], Text("  ")
    for sign, style, name in parts:
        entry = Text.assemble((sign, style), (f" {name}", "dim"))
        if line.cell_len + entry.cell_len > console.width:
            lines.append(line)
            line = Text("  ")
        line.append_text(entry).append("  ")
    for each in (*lines, line):
        each.rstrip()
    return Text("\n").join([*lines, line])


CHUNK_STATUSES: Final = ("pending", "to-redo", "running", "completed", "failed", "in-doubt")
ATTEMPT_FIELDS: Final = ("attempt", "error", "started_at", "finished_at", "seconds", "handle", "key")
"""The columns of a row that describe the last attempt at its chunk."""


def rows_of(job: Job) -> Iterator[dict[str, Any]]:
    """Yield rows for all chunks of a job, by index. A row is about the chunks ``start`` to ``stop``, without ``stop``.

    ``redo`` says whether the chunks are to be done again, and keep their earlier results until then. The status of a
    chunk to redo is ``to-redo`` unless somebody works on it, or it failed. ``tries`` counts the tries since the last
    result.
    """
    marked = job.to_redo()
    tried = _tried(job, frozenset(marked))
    attempt_counts = tries_in_vain(job, [record for _, record in tried.values()])
    indices = sorted(tried)
    position = 0
    for start, stop in [*job.completed_ranges(), (job.total_chunks, job.total_chunks)]:
        for index in _between(indices, position, start):
            yield from _untried(position, index, marked)
            status, record = tried[index]
            row = _row(index, index + 1, status, redo=bool(_between(marked, index, index + 1)), record=record)
            yield row | {"tries": attempt_counts[index]}
            position = index + 1
        yield from _untried(position, start, marked)
        if start < stop:
            yield _row(start, stop, "completed")
        position = stop


def count_in(rows: Iterable[dict[str, Any]]) -> int:
    """Return how many chunks these rows have."""
    return sum(row["stop"] - row["start"] for row in rows)


def tried_ranges(job: Job) -> dict[str, Any]:
    """Return the ranges of the chunks that were tried and are left, by status; ``damage``: why they cannot be read."""
    try:
        failed = {record.chunk_index for record in job.failed_chunks()}
        in_doubt = {record.chunk_index for record in job.in_doubt_chunks()} - failed
        running = {record.chunk_index for record in job.running_chunks()}
        to_redo, damage = set(job.to_redo()), None
    except StoreDamaged as error:  # the rest of the page is sound, and is shown
        failed, in_doubt, running, to_redo, damage = set(), set(), set(), set(), spoken(str(error))
    return {
        "failed_ranges": ranges_of(failed),
        "in_doubt_ranges": ranges_of(in_doubt),
        "running_ranges": ranges_of(running),
        "redo_ranges": ranges_of(to_redo - failed - in_doubt - running),
        "damage": damage,
    }


def _tried(job: Job, marked: frozenset[int]) -> dict[int, tuple[str, ChunkRecord]]:
    """Return the chunks that were tried and are left, with their status and their last attempt."""
    by_index = {
        failed.chunk_index: ("to-redo" if failed.chunk_index in marked else "pending", failed)
        for failed in job.errors()
    }
    by_index |= {record.chunk_index: ("running", record) for record in job.running_chunks()}
    by_index |= {record.chunk_index: ("in-doubt", record) for record in job.in_doubt_chunks()}
    return by_index | {record.chunk_index: ("failed", record) for record in job.failed_chunks()}


def _untried(start: int, stop: int, marked: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield rows for chunks that are left and were not tried: those to redo, and those without a result."""
    position = start
    for first, end in ranges_of(_between(marked, start, stop)):
        if position < first:
            yield _row(position, first, "pending")
        yield _row(first, end, "to-redo", redo=True)
        position = end
    if position < stop:
        yield _row(position, stop, "pending")


def _between(ascending: Sequence[int], start: int, stop: int) -> Sequence[int]:
    return ascending[bisect_left(ascending, start) : bisect_left(ascending, stop)]


def _row(
    start: int, stop: int, status: str, *, redo: bool = False, record: ChunkRecord | None = None
) -> dict[str, Any]:
    attempt = {name: None if record is None else getattr(record, name) for name in ATTEMPT_FIELDS}
    return {"start": start, "stop": stop, "status": status, **attempt, "tries": 0, "redo": redo}
