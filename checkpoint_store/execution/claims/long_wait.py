"""A loop that waits long for chunks that other loops have at work: it says so, and what helps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import counted
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONG_WAIT_SECONDS: Final = 10.0
"""After so long without any change a wait is worth a line in the log: it may be for a runner that was stopped."""


class LongWait:
    """The wait of one loop for others."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._held: Sequence[tuple[int, int]] = ()
        self._since = 0.0
        self._is_logged = False

    def note(self, held: Sequence[tuple[int, int]]) -> None:
        """Note for which chunks the loop waits now: (chunk index, id of the runner that has it)."""
        if held != self._held:
            self._held, self._since, self._is_logged = held, time.monotonic(), False
        elif held and not self._is_logged and time.monotonic() - self._since >= _LONG_WAIT_SECONDS:
            self._is_logged = True
            runners = sorted({runner_id for _, runner_id in held})
            log.warning(
                "job %s: this loop waits for %s, from chunk %d on, that runner %s has at work. job.runners() names its "
                "process and job.release_runner(%d) frees its chunks, if it was stopped for good",
                *(self._job_id, counted(len(held), "chunk"), min(held)[0], ", ".join(map(str, runners)), runners[0]),
            )
