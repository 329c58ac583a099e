"""Output for people: consoles, marks, and short texts for times, numbers and progress."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from checkpoint_store import JobStatus
from checkpoint_store.cli.notices import NOTICES
from checkpoint_store.cli.stdout import sayable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import ConsoleOptions, RenderableType

PIPE_WIDTH: Final = 200
_STYLES: Final[dict[str, str]] = {
    JobStatus.COMPLETED: "green",
    JobStatus.PENDING: "blue",
    JobStatus.RUNNING: "cyan",
    JobStatus.PAUSED: "yellow",
    JobStatus.FAILED: "red",
    "interrupted": "red",
    "superseded": "dim",
}
_TENTHS_BELOW, _MINUTE, _HOUR, _DAY = 10, 60, 3_600, 86_400
_PLAIN_MAX: Final = 1e15
_FAST_PER_MINUTE: Final = 300
_INDICES_MAX: Final = 8
_COST_ROUNDED_MIN: Final = 100
_DECIMALS_MAX: Final = 12
_OWN_ERRORS: Final = re.compile(r"(?:^|(?<=: ))(?:Command(?:Failed|Missing)|ServiceAway|UnreadAnswer|OtherForm)Error: ")
_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])"  # colours and cursor, the title, others
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"  # and what lets a text be read backwards
)


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters to draw with; ``shades`` run from no chunk completed to all of them."""

    done: str
    paused: str
    failed: str
    shades: str
    bar: str
    bar_left: str
    spinner: str


_MARKS: Final = Marks("✓", "‖", "✗", "·░▒▓█", "━", "─", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
_PLAIN_MARKS: Final = Marks("+", "=", "!", ".:-=#", "#", ".", "|/-\\")


class Screen:
    """The two consoles of a command: ``out`` (stdout) for results, ``err`` (stderr) for notices."""

    def __init__(self) -> None:
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def note(self, text: str | Text, *, style: str = "") -> None:
        """Print one notice on stderr. Text is no markup, and lines are not broken: a line may be a command to copy."""
        self.err.print(Text(text) if isinstance(text, str) else text, style=style or None, soft_wrap=True)

    def fact(self, name: str, text: str | Text, remark: str = "") -> None:
        """Print one line of a summary: a fact beside its name, and a remark behind it."""
        self.note(Text.assemble((f"  {name:<7}", "dim"), text, (remark, "dim")))

    def error(self, text: str) -> None:
        """Print an error message on stderr."""
        self.note(Text.assemble(("checkpoint-store: ", "bold red"), text))


class _PlainConsole(Console):
    """A console that prints no escape sequence but its own, wherever a text comes from: a store, a name, an error."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of what is printed, each without what steers a screen."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            printable_text = text if control else sayable(plain(text) if _ESCAPES.search(text) else text, self)
            yield segment if printable_text is text else Segment(printable_text, style)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # FORCE_COLOR asks for colours in a log. A live line in a log would be a mess of cursor movements.
    is_screen = stream is not None and stream.isatty()
    file: Any = NOTICES if stderr else None  # NOTICES has what a console needs of a stream
    console = _PlainConsole(file=file, highlight=False, emoji=False, markup=False, force_interactive=is_screen and None)
    if not console.width or (not is_screen and "COLUMNS" not in os.environ):
        console.width = PIPE_WIDTH  # a pipe has no width, and COLUMNS=0 says none: cut nothing off
    return console


def marks(console: Console) -> Marks:
    """Return the marks that ``console`` can show."""
    return _PLAIN_MARKS if console.options.ascii_only else _MARKS


def status_text(status: str) -> Text:
    """Return the name of a status in its colour."""
    return Text(status, style=_STYLES[status])


def duration(seconds: float) -> str:
    """Return a length of time in its largest units: ``0.2 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < _MINUTE:
        return f"{rounded} s"
    if rounded < _HOUR:
        return f"{rounded // _MINUTE} min {rounded % _MINUTE:02} s"
    if rounded < _DAY:
        return f"{rounded // _HOUR} h {rounded % _HOUR // _MINUTE:02} min"
    return f"{rounded // _DAY} d {rounded % _DAY // _HOUR:02} h"


def ago(moment: datetime) -> str:
    """Return how long ago a moment was, in its largest unit. A future moment is ``just now``."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def local_time(moment: datetime) -> str:
    """Return a moment in the time zone of this machine, to the minute."""
    # datetime knows no zone that is a day or more from UTC, such as TZ=XYZ-26; the C library does.
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment.timestamp()))


def clock_time() -> str:
    """Return the time of day in the time zone of this machine."""
    return time.strftime("%H:%M:%S", time.localtime())


def rate(chunks_per_minute: float | None) -> str:
    """Return a rate with its unit: ``8/s`` for fast jobs, ``12.5/min``, ``4/h`` for slow ones."""
    if chunks_per_minute is None:
        return "-"
    if chunks_per_minute >= _FAST_PER_MINUTE:
        return f"{chunks_per_minute / 60:,.0f}/s"
    if chunks_per_minute >= 1:
        return f"{chunks_per_minute:.3g}/min"
    return f"{number(float(f'{60 * chunks_per_minute:.3g}'))}/h"


def number(value: float) -> str:
    """Return a number with commas between thousands, and at least six significant digits; from 10^15 with exponent."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value) or abs(value) > _PLAIN_MAX:
        return f"{value:.6g}"
    if value.is_integer():
        return f"{value:,.0f}"
    places = max(2, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, _DECIMALS_MAX)}f}"
    return text.rstrip("0").rstrip(".")


def cost(value: float) -> str:
    """Return a cost: to the hundredth from 100 on, to four digits below 1."""
    if abs(value) < 1:
        return number(float(f"{value:.4g}"))
    return number(round(value, 2) if abs(value) >= _COST_ROUNDED_MIN else value)


def costs(values: Sequence[float]) -> list[str]:
    """Return costs for one column, all with as many digits behind the point as the cost that has the most."""
    places = max((len(cost(value).partition(".")[2]) for value in values), default=0)
    return [f"{value:,.{places}f}" if value <= _PLAIN_MAX else cost(value) for value in values]


def percent(completed: int, total: int) -> str:
    """Return a share in percent, rounded down: 100% means that all chunks are completed."""
    return f"{100 * completed // total if total else 100}%"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``1,200 jobs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def chunk_count(count: int) -> str:
    """Return a number of chunks with its noun: ``1 chunk``, ``1,200 chunks``."""
    return counted(count, "chunk")


def to_redo_text(count: int) -> str:
    """Return the notice that this many chunks are to be done again, and keep their results until then."""
    are, keep = ("is", "it keeps its") if count == 1 else ("are", "each keeps its")
    return f"{chunk_count(count)} {are} to be done again; {keep} earlier result until the new result is there"


def attempt_count(count: int) -> str:
    """Return a number of attempts with its noun: ``1 try``, ``3 tries``."""
    return f"{count:,} tr{'y' if count == 1 else 'ies'}"


def indices(chunk_indices: Sequence[int]) -> str:
    """Return the number of chunks, and the indices of the first few."""
    listed = ", ".join(map(str, chunk_indices[:_INDICES_MAX]))
    plural = "" if len(chunk_indices) == 1 else "s"
    return f"{len(chunk_indices):,}: chunk{plural} {listed}{', …' * (len(chunk_indices) > _INDICES_MAX)}"


def plain(text: str) -> str:
    """Return a text without escape sequences: they move the cursor, colour the screen or rename the window."""
    return _ESCAPES.sub("", text)


def plain_error(text: str | None) -> str:
    """Return a recorded error without escape sequences and without the class name of the command's own exceptions."""
    return plain(_OWN_ERRORS.sub("", text or ""))


def shares(ranges: Iterable[tuple[int, int]], total: int, cells: int) -> list[float]:
    """Return the completed share of each of ``cells`` (1 to ``total``) equal parts of all chunks, in linear time.

    ``ranges`` are half-open ranges of completed indices, in ascending order.
    """
    covered = [0] * cells
    edges = [cell * total // cells for cell in range(cells + 1)]
    cell = 0
    for start, stop in ranges:
        position = start
        while position < stop:
            while edges[cell + 1] <= position:
                cell += 1
            until = min(stop, edges[cell + 1])
            covered[cell] += until - position
            position = until
    return [count / (edges[cell + 1] - edges[cell]) for cell, count in enumerate(covered)]


def shade(share: float, shades: str) -> str:
    """Return the character for a share: the first only for 0, the last only for 1."""
    if share <= 0:
        return shades[0]
    if share >= 1:
        return shades[-1]
    between = shades[1:-1]
    return between[min(int(share * len(between)), len(between) - 1)]
