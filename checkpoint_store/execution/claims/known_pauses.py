"""The pauses that the holder of a job knows of: any later one ends its loops."""

from __future__ import annotations


class KnownPauses:
    """The last pause that was asked for before a job was opened, or that ended a loop since.

    A pause that is asked for between the opening of a job and the beginning of a loop is not lost: the loop ends at
    once. The caller who begins another loop after that goes on knowingly.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: int | None = None
        """The number of that pause. None: a loop ends by a pause that is asked for after its own beginning."""

    def covers(self, pause: int, known_at_call: int | None = None) -> bool:
        """Whether a pause of this number was known, where the loop was asked for with ``known_at_call`` as the last."""
        known = self.last if known_at_call is None else known_at_call
        return known is None or pause <= known
