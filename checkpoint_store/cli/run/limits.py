"""The limits of one ``run``: workers, tries, time, money, and ``--halt``."""

from __future__ import annotations

import math
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.paths import ParamType
from checkpoint_store.cli.run.command.answer import OtherFormError
from checkpoint_store.cli.run.command.outcome import CommandFailedError, CommandMissingError, CommandRefusedError
from checkpoint_store.cli.screen import chunk_count, number, plain_error
from checkpoint_store.errors import InvalidResultError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import click

    from checkpoint_store import LoopEvent
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges


_SPELLING: Final = re.compile(
    r"(?P<word>never|soon|now)|(?:(?P<when>soon|now),fail=|(?=\d+%))(?P<number>[1-9]\d{0,8})(?P<percent>%)?", re.ASCII
)
_PERCENT_MAX: Final = 100
_FAILURES_OF_A_SHARE_MIN: Final = 3
"""The least number of failed chunks for a share: one failed chunk of two says nothing about the others."""


@dataclass(frozen=True, slots=True)
class Halt:
    """When a run ends because chunks fail."""

    text: str
    """The option as a person wrote it."""
    when: str
    """``soon`` finishes the chunks in hand; ``now`` kills COMMAND; ``never``."""
    count: int = 1
    """How many chunks must have failed, or how many in a hundred."""
    is_share: bool = False

    def __str__(self) -> str:
        return self.text

    @property
    def is_at_first(self) -> bool:
        """Whether the first chunk that fails ends the run."""
        return self.when != "never" and self.count == 1 and not self.is_share

    def is_reached(self, failed: int, to_do: int) -> bool:
        """Return whether ``failed`` chunks, of the chunks ``to_do`` that the run had to do, end the run."""
        if self.when == "never":
            return False
        if not self.is_share:
            return failed >= self.count
        return failed >= _FAILURES_OF_A_SHARE_MIN and 100 * failed >= self.count * to_do


class HaltType(ParamType[Halt]):
    """``never``, ``soon``, ``now``, ``20%``; and GNU parallel's ``soon,fail=3`` and ``now,fail=20%``."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Halt:
        """Return when to halt; show a usage error for anything else."""
        if isinstance(value, Halt):
            return value
        match = _SPELLING.fullmatch(value)
        if match is None:
            ways = "never, soon, now, a share such as 20%, or as in GNU parallel soon,fail=3 or now,fail=20%"
            self.fail(f"{value!r} is none of: {ways}.", param, ctx)
        if match["word"]:
            return Halt(value, match["word"])
        count = int(match["number"])
        if match["percent"] and count > _PERCENT_MAX:
            self.fail(f"{value!r} is more than all chunks.", param, ctx)
        return Halt(value, match["when"] or "soon", count, is_share=bool(match["percent"]))


@dataclass(slots=True)
class FailureWatch:
    """Counts the chunks of one run that fail, and says when ``--halt`` ends it.

    ``kill`` ends the chunks in work. ``ends_at_first``: the first failed chunk ends the file without ``--halt``.
    """

    halt: Halt | None
    kill: Callable[[], None]
    note: Callable[[str], None]
    ends_at_first: bool = False
    is_over: bool = False
    """Whether nothing more is to begin, of this file and of the others."""
    waits_after: str = ""
    """Why the last try failed, while no chunk is in hand and the loop waits for the next try; else empty."""
    _to_do: int = 0
    _in_hand: set[int | None] = field(default_factory=set)
    _failed: set[int | None] = field(default_factory=set)
    _last: str = ""

    def begin(self, to_do: int) -> None:
        """Begin with a file of which this run has ``to_do`` chunks to do."""
        self._to_do = to_do
        self._failed.clear()
        self._in_hand.clear()
        self.waits_after = ""

    def on_event(self, event: LoopEvent) -> None:
        """Count a chunk that is not tried again; call this from the loop."""
        if event.kind == "started":
            self._in_hand.add(event.index)
        else:
            self._in_hand.discard(event.index)
        is_waiting = event.kind == "retried" and not self._in_hand
        self.waits_after = plain_error(event.error).partition("\n")[0] if is_waiting else ""
        if event.kind == "failed":
            self._failed.add(event.index)
            self._last = f"chunk {event.index}: {plain_error(event.error)}"
            if self.halt is None:
                if self.ends_at_first and self._in_hand and len(self._failed) == 1:
                    self.note(f"chunk {event.index} failed; finishing the {chunk_count(len(self._in_hand))} in hand")
            elif not self.is_over and self.halt.is_reached(len(self._failed), self._to_do):
                self._end(self.halt)

    def _end(self, halt: Halt) -> None:
        self.is_over = True
        in_hand = chunk_count(len(self._in_hand))
        if halt.when == "now":
            self.kill()
            what = f"stops the {in_hand} in hand, which may be billed all the same"
        else:
            what = f"begins nothing more, and finishes the {in_hand} in hand"
        if self._in_hand:
            self.note(f"--halt {halt} {what}")

    @property
    def message(self) -> str:
        """Why the run ended; the first line is the reason, and the last error follows."""
        last = "" if len(self._failed) == 1 else "the last was "
        of = f"{len(self._failed):,} of {chunk_count(self._to_do)} failed (--halt {self.halt})"
        return f"{of}, {last}{self._last}"


FAILURES: Final = (CommandFailedError, InvalidResultError)
"""The errors by which COMMAND fails a chunk."""
_DEADLINE_SECONDS_MIN: Final = 0.001
"""The time for a job whose turn comes when the deadline is over: a deadline has to be more than 0."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of a run, as its options name them: workers, retries, time and money. No job's plan has them."""

    workers: int = 1
    retries: int = 0
    """Attempts after the first attempt at a chunk."""
    timeout: float | None = None
    max_cost: float | None = None
    cost: str = "cost"
    """The field of a result, or the dotted path, that holds the cost."""
    max_calls_per_minute: float | None = None
    only: ChunkRanges | None = None
    """The chunks to work on; None for all."""
    halt: Halt | None = None
    """When failed chunks end the run; None: the first failed chunk does, unless there are retries."""
    deadline: float | None = None
    """The seconds for all inputs; when they are over, no further chunk of any input starts."""
    joblog: Path | None = None
    """The file in which each try is logged; None to log no try."""
    frees_failed: bool = False
    """Whether the chunks that used up their tries are freed."""
    _began_at: float = field(default_factory=time.monotonic)

    @property
    def are_over(self) -> bool:
        """Whether the deadline has passed."""
        return self._seconds_left <= 0

    @property
    def _seconds_left(self) -> float:
        return math.inf if self.deadline is None else self._began_at + self.deadline - time.monotonic()

    @property
    def deadline_text(self) -> str:
        """The reason of a run that ended at its deadline: the option as a person gave it, for all inputs of the run."""
        return f"the --deadline of {number(self.deadline or 0.0)} s is reached"

    @property
    def ends_at_first_failure(self) -> bool:
        """Whether the first failed chunk of a file ends its loop."""
        return not self.retries and (self.halt is None or self.halt.is_at_first)

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``Job.map``."""
        common: dict[str, Any] = {"workers": self.workers, "max_cost": self.max_cost, "cost": self.cost}
        common |= {"max_calls_per_minute": self.max_calls_per_minute, "only": self.only and self.only.indices}
        if self.deadline is not None:
            common["deadline_seconds"] = max(self._seconds_left, _DEADLINE_SECONDS_MIN)
        if self.ends_at_first_failure:
            # A failure ends the run and counts against no chunk: the person who runs again has mended its cause.
            return common | {"stop_on": Exception, "max_attempts": sys.maxsize}
        retry_options = {"retry_on": FAILURES, "stop_on": _blames_no_chunk, "max_attempts": self.retries + 1}
        return common | retry_options | {"on_error": "record"}


def _blames_no_chunk(error: BaseException) -> bool:
    """Whether an error would meet every chunk: a bad key, no COMMAND, a wrong --result-field, a fault of this program.

    Each further chunk would be paid for in vain.
    """
    meets_all = CommandMissingError | CommandRefusedError | OtherFormError
    return isinstance(error, meets_all) or not isinstance(error, FAILURES)
