"""One loop's way through the chunks of a job: which to claim next, how many at once, and when to end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store.execution.claims.claimed_chunk import Held
    from checkpoint_store.execution.claims.claims import Claims

_WINDOW: Final = 4096
_MOST_AT_ONCE: Final = 256
_AHEAD_SECONDS: Final = 0.01
"""Chunks that take less are claimed several at a time: a claim of its own would cost each more than it does itself."""
_MOST_AHEAD: Final = 32
_LOOK_SECONDS: Final = 0.25
"""How often a loop looks whether it should pause."""

_acting: Final = threading.local()


def act_for(thread: int) -> None:
    """Let the loops of this thread count as those of another one, which does not wait for itself."""
    _acting.thread = thread


class Scope:
    """One loop over a job's chunks: each of them once, the lowest first, then those that others let go of."""

    def __init__(self, claims: Claims, total_chunks: int, *, max_attempts: int | None = None) -> None:
        self.claims: Final = claims
        self._total = total_chunks
        self.max_attempts: Final = max_attempts
        self.driven_by: Final = threading.get_ident()
        self.thread: Final[int] = getattr(_acting, "thread", self.driven_by)
        """The one that would wait for itself if it waited for what this loop has in hand."""
        self.active = True
        self.idle = 0
        """How many chunks were given out since one was completed."""
        self._pace = 1.0
        """Seconds between one chunk and the next, lately."""
        self._given_at = time.monotonic()
        self._next = 0
        self._with_others: list[tuple[int, int]] = []
        self._pause = claims.last_pause()
        self._looked_at = time.monotonic()
        self._paused = False
        claims.begin(self)

    def is_paused(self) -> bool:
        """Whether someone wished, since this loop began, that it ends. Looks at most four times a second."""
        moment = time.monotonic()
        if not self._paused and moment - self._looked_at > _LOOK_SECONDS:
            self._looked_at = moment
            self._paused = self.claims.last_pause() > self._pause
        return self._paused

    def take(self, wanted: int) -> list[Held]:
        """Claim up to ``wanted`` chunks; none where all are done, failed, or in other hands."""
        while self._next < self._total:
            start = self._next
            stop = min((start // _WINDOW + 1) * _WINDOW, self._total)
            if start % _WINDOW == 0 and self.claims.completed_in(start, stop) == stop - start:
                self._next = stop
                continue
            taken, found = self.claims.take(self, [(start, stop)], wanted)
            self._next = found.next_index
            self._with_others += found.held
            if taken:
                return taken
        return self._take_from_others(wanted)

    def _take_from_others(self, wanted: int) -> list[Held]:
        if not self._with_others:
            return []
        self.claims.look_again()
        looked, rest = self._with_others[:_MOST_AT_ONCE], self._with_others[_MOST_AT_ONCE:]
        taken, found = self.claims.take(self, [(index, index + 1) for index, _ in looked], wanted)
        seen = found.next_index  # beyond it, nothing was looked at
        self._with_others = [*found.held, *(one for one in looked if one[0] >= seen), *rest]
        return taken

    def gives(self, held: Held) -> None:
        """A chunk goes out to be worked on."""
        self.idle += 1
        self.claims.began(held)
        self._pace += (held.since - self._given_at - self._pace) / 4
        self._given_at = held.since

    def batch(self) -> int:
        """Return how many chunks to claim at once: those of a few milliseconds, or as many as nobody completes."""
        ahead = min(int(_AHEAD_SECONDS / max(self._pace, 1e-6)), _MOST_AHEAD)
        return max(1, ahead, min(self.idle, _MOST_AT_ONCE))

    def waits_for_others(self) -> bool:
        """Whether chunks are in other hands than those of this very thread, which could wait for itself for ever."""
        return any(self.claims.thread_with(index, runner_id) != self.thread for index, runner_id in self._with_others)

    def close(self, several: Iterable[Held] = ()) -> None:
        """End the loop, and let go of chunks that it has not given out."""
        self.active = False
        self.claims.end(self)
        self.claims.let_go(list(several))  # and with the last loop its runner ends
