"""A call of COMMAND for a chunk, as ``--joblog`` has it; and the errors of a call that gave no answer."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ANSWER: Final = -1
"""The exit value of a COMMAND that took too long, or whose answer could not be used."""
CANNOT_BE_STARTED: Final = 126
NOT_FOUND: Final = 127
"""The exit codes with which a shell reports that a program cannot be started, or does not exist."""


@dataclass(slots=True)
class CommandCall:
    """One call of COMMAND."""

    chunk_index: str
    file: str
    """The input, as the command line names it."""
    bytes_in: int
    """The bytes of the chunk on stdin."""
    started_at: float = field(default_factory=time.time)
    """When the call began, in seconds since 1970. Its duration is measured by the monotonic clock."""
    bytes_out: int = 0
    """The bytes that the program printed on stdout."""
    exit_value: int = NO_ANSWER
    """0 where it gave an answer, or a signal ended it; see :data:`NO_ANSWER`."""
    signal: int = 0
    """The signal that ended the program; 0 where it ended by itself."""
    is_made: bool = False
    """Whether the program was started, or could not be started; False if the run was ended before."""
    _began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, variables: Mapping[str, str], bytes_in: int) -> CommandCall:
        """Return a call that begins now, with these variables in its environment."""
        return cls(variables["CHECKPOINT_STORE_CHUNK_INDEX"], variables["CHECKPOINT_STORE_FILE"], bytes_in)

    @property
    def seconds(self) -> float:
        """How many seconds the call has taken."""
        return time.monotonic() - self._began

    def printed(self, stdout: bytes, code: int) -> None:
        """Note what the program printed until its end, and its exit code; a negative code is the signal that ended it.

        If the program ended well, the exit value becomes 0 once its answer is read.
        """
        self.bytes_out = len(stdout)
        if code:
            self.exit_value, self.signal = max(code, 0), max(-code, 0)


_SERVICE_AWAY: Final = {69: "which says that a service is unavailable", 75: "which asks to try again later"}
"""EX_UNAVAILABLE and EX_TEMPFAIL, and what they say."""
_REFUSED: Final = {
    77: "which says that it lacks a permission; mend its key or its account first",
    78: "which says that its settings are wrong; mend its settings or its key first",
}
"""EX_NOPERM and EX_CONFIG, and what they say."""


class CommandFailedError(Exception):
    """COMMAND gave no cleaned text. ``reason`` is one line; ``stderr`` has the last lines of its standard error."""

    chunk_index: int | None = None
    cost: object = None
    """The cost of the failed call, as COMMAND printed it: the loop counts it if it is an amount of money."""
    may_be_billed = False
    """Whether nobody knows what the call cost: the loop keeps its reservation."""

    def __init__(self, reason: str, stderr: str = "") -> None:
        self.reason, self.stderr = reason, stderr
        super().__init__(f"{reason}\n{stderr}" if stderr else reason)


class CommandMissingError(CommandFailedError):
    """COMMAND cannot be started, whichever the chunk."""


class CommandRefusedError(CommandFailedError):
    """COMMAND says by its exit code that it fails at every chunk, until somebody mends its key or its settings."""


class ServiceAwayError(CommandFailedError):
    """COMMAND says by its exit code that its service is away, so that no chunk counts as failed."""

    status_code = 503


class CommandKilledError(BaseException):
    """COMMAND was ended by a kill of this program. It is no Exception, so that no chunk counts as failed."""


def failure_kind(code: int) -> type[CommandFailedError]:
    """Return the class of the error for an exit code other than 0."""
    if code in _REFUSED:
        return CommandRefusedError
    return ServiceAwayError if code in _SERVICE_AWAY else CommandFailedError


def exit_text(code: int) -> str:
    """Return how a program ended, and what its exit code says; ``-9`` is the signal 9."""
    if (meaning := (_SERVICE_AWAY | _REFUSED).get(code)) is not None:
        return f"ended with exit code {code}, {meaning}"
    if code > 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
