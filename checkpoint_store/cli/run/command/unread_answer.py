"""The errors for an output of COMMAND that is no answer, and may have been paid for."""

from __future__ import annotations

from typing import Final

from checkpoint_store.errors import InvalidResultError

_COPY_LENGTH_MAX: Final = 256 * 1024
"""The most characters of a copy, as of any readable copy of a result."""


class UnreadAnswerError(InvalidResultError):
    """COMMAND ended well, and what it printed cannot be read as an answer. A copy of it is kept with the attempt.

    Args:
        reason: what is wrong, behind the name of COMMAND; the last lines of its standard error may follow.
        command: the name of COMMAND.
        printed: what COMMAND printed.
    """

    cost: object = None
    """The cost of the call, as COMMAND printed it: the loop counts it if it is an amount of money."""
    may_be_billed = False

    def __init__(self, reason: str, command: str, printed: str) -> None:
        copy = printed[:_COPY_LENGTH_MAX].replace("\0", r"\0")
        if len(printed) > _COPY_LENGTH_MAX:
            copy += f"… ({len(printed):,} characters)"
        super().__init__(reason, path=repr(command), result=copy)
        self.is_copy = True


class OtherFormError(UnreadAnswerError):
    """No answer of COMMAND had the form that ``run`` expects: the next one would be paid for in vain, too."""
