"""The limits of one ``run``: workers, tries, time and money."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.run.command.unread_answer import OtherFormError
from checkpoint_store.cli.run.command.worker import CommandFailedError, CommandMissingError
from checkpoint_store.cli.screen import number
from checkpoint_store.errors import InvalidResultError

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.halt import Halt

FAILURES: Final = (CommandFailedError, InvalidResultError)
"""The errors by which COMMAND fails a chunk."""
_DEADLINE_SECONDS_MIN: Final = 0.001
"""The time for a job whose turn comes when the deadline is over: a deadline has to be more than 0."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of a run: workers, retries, time and money. They are no part of a job's plan."""

    workers: int = 1
    retries: int = 0
    """Attempts after the first attempt at a chunk."""
    timeout_seconds: float | None = None
    max_cost: float | None = None
    cost: str = "cost"
    """The field of a result, or the dotted path, that holds the cost."""
    max_calls_per_minute: float | None = None
    deadline_at: float | None = None
    """The moment of the monotonic clock from which no further chunk of any input starts."""
    only: ChunkRanges | None = None
    """The chunks to work on; None for all."""
    halt: Halt | None = None
    """When failed chunks end the run; None: the first failed chunk does, unless there are retries."""
    deadline_seconds: float | None = None
    """The time for all inputs, as a person gave it; ``deadline_at`` is its end."""
    joblog: Path | None = None
    """The file in which each try is logged; None to log no try."""
    frees_failed: bool = False
    """Whether the chunks that used up their tries are freed."""

    @property
    def are_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline_at is not None and time.monotonic() >= self.deadline_at

    @property
    def deadline_text(self) -> str:
        """The reason of a run that ended at its deadline: the option as a person gave it, for all inputs of the run."""
        return f"the --deadline of {number(self.deadline_seconds or 0.0)} s is reached"

    @property
    def options(self) -> dict[str, Any]:
        """The options of ``Job.map``."""
        common: dict[str, Any] = {"workers": self.workers, "max_cost": self.max_cost, "cost": self.cost}
        common |= {"max_calls_per_minute": self.max_calls_per_minute, "only": self.only and self.only.indices}
        if self.deadline_at is not None:
            common["deadline_seconds"] = max(self.deadline_at - time.monotonic(), _DEADLINE_SECONDS_MIN)
        if not self.retries and (self.halt is None or self.halt.is_at_first):
            # A failure ends the run and counts against no chunk: the person who runs again has mended its cause.
            return common | {"stop_on": Exception, "max_attempts": sys.maxsize}
        retry_options = {"retry_on": FAILURES, "stop_on": _blames_no_chunk, "max_attempts": self.retries + 1}
        return common | retry_options | {"on_error": "record"}


def _blames_no_chunk(error: BaseException) -> bool:
    """Whether an error would meet every chunk: a missing COMMAND, a wrong --result-field, a fault of this program.

    Each further chunk would be paid for in vain.
    """
    return isinstance(error, CommandMissingError | OtherFormError) or not isinstance(error, FAILURES)
