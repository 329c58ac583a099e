"""The errors of a COMMAND that gave no answer, and what its exit codes say (sysexits.h)."""

from __future__ import annotations

import contextlib
import signal
from typing import Final

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
