"""One chunk that this process has claimed."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.storage.records import Claim

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.chunk_queue import Scope
    from checkpoint_store.execution.claims.claims import Claims


class Held:
    """One chunk in this process's hand."""

    __slots__ = ("begun", "dropped", "index", "is_handed_out", "number", "scope", "since", "tries")

    def __init__(self, claim: Claim, scope: Scope) -> None:
        self.index, self.number = claim
        self.scope = scope
        self.since = time.monotonic()
        self.begun = False
        """Whether it has to be taken that work on it began, although nothing came of it."""
        self.dropped = False
        """Whether nobody refers to it any more."""
        self.is_handed_out = False
        """Whether a caller has it, who may keep it for longer than its loop lasts."""
        self.tries = 1
        """Which try of this loop it is."""

    @property
    def claim(self) -> Claim:
        """As the store knows it."""
        return Claim(self.index, self.number)


class Hold:
    """Keeps a chunk in hand for as long as someone refers to it: a chunk that is thrown away is free again."""

    __slots__ = ("_claims", "_held")

    def __init__(self, claims: Claims, held: Held) -> None:
        self._claims, self._held = claims, held
        held.is_handed_out = True

    def __del__(self) -> None:
        with suppress(Exception):
            if self._claims.held(self._held.index) is not self._held:
                return
            self._held.dropped = True  # at once, whoever frees it when
            if _runs_event_loop():  # which waits neither for the disk nor for another process
                threading.Thread(target=self._claims.let_go, args=([self._held],), daemon=True).start()
            else:
                self._claims.let_go([self._held])


def _runs_event_loop() -> bool:
    """Whether this thread does."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
