"""The pauses that the holder of a job knows of: a later pause ends the holder's loops."""

from __future__ import annotations


class KnownPauses:
    """The last pause that the holder of a job knows of: it was asked for before the opening, or it ended a loop.

    A pause that is asked for after the opening of a job, and before its loop begins, ends the loop at once. The caller
    knows of the pause then: a loop that begins later is not ended by it.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None
        """The number of the last known pause. None: each pause is known that was asked for before a loop began."""

    def covers(self, pause: int, known_at_call: int | None = None) -> bool:
        """Whether a pause was known to the caller who begins a loop, so that it does not end that loop.

        Args:
            pause: the number of the pause.
            known_at_call: the number of the last known pause when the loop was asked for; None: :attr:`last` as it is.
        """
        known = self.last if known_at_call is None else known_at_call
        return known is None or pause <= known
