"""Log that a loop waits long for chunks of other processes or of ended loops, and what helps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, counted
from checkpoint_store.system.log import A_WAIT, log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONG_WAIT_SECONDS: Final = 60.0
"""After this time without any change, look for a stopped process. A healthy runner may need longer for a call."""


class LongWait:
    """The wait of one loop for other processes, and for chunks that callers of ended loops have.

    ``stopped_runners`` tells, by the ids of runners, why a process is known to stand still, and what lets it go on.
    """

    def __init__(self, job_id: str, stopped_runners: Callable[[], Mapping[int, str]]) -> None:
        self._job_id, self._stopped_runners = job_id, stopped_runners
        self._held: Sequence[tuple[int, int]] = ()
        self._look_at = 0.0
        """When to look for a stopped process, on the monotonic clock."""
        self._is_logged = self._has_warned = False
        self._own: Sequence[int] = ()
        self._log_own_at = 0.0
        """When to log who has the chunks of this process, on the monotonic clock."""

    def note_own(self, indices: Sequence[int]) -> None:
        """Note which chunks the loop waits for that callers of ended loops of this process have in hand."""
        moment = time.monotonic()
        if indices != self._own:
            self._own, self._log_own_at = indices, moment + _LONG_WAIT_SECONDS
        if indices and moment >= self._log_own_at:
            self._log_own_at = float("inf")
            log.warning(
                "job %s: this loop waits for %s, from chunk %d on, that pending() gave to this program before: the "
                "loop goes on once they are completed, or dropped",
                *(self._job_id, counted(len(indices), "chunk"), min(indices)),
            )

    def note(self, held: Sequence[tuple[int, int]]) -> None:
        """Note for which chunks of other processes the loop waits: (chunk index, id of the runner that has it)."""
        moment = time.monotonic()
        if held != self._held:
            self._held, self._look_at = held, moment + _LONG_WAIT_SECONDS
            self._is_logged = self._has_warned = False
        if held and not self._has_warned and moment >= self._look_at:
            self._look_at = moment + _LONG_WAIT_SECONDS
            self._log()

    def _log(self) -> None:
        """Log who is waited for. Advise a release only of a stopped runner: any other still works on its chunks."""
        try:
            stopped = self._stopped_runners()
        except CheckpointStoreError as error:
            log_suppressed(error, f"no stopped runner of job {self._job_id} was looked for")
            return
        runners = sorted({runner_id for _, runner_id in self._held})
        names = ", ".join(map(str, runners))
        waits = (self._job_id, counted(len(self._held), "chunk"), min(self._held)[0], names)
        what = "job %s: this loop waits for %s, from chunk %d on, that runner %s has at work"
        still = [runner_id for runner_id in runners if runner_id in stopped]
        if still:
            self._has_warned = True
            log.warning(
                f"{what}. Runner %d is %s. If it never will: job.release_runner(%d) frees its chunks",
                *(*waits, still[0], stopped[still[0]], still[0]),
                extra=A_WAIT,
            )
        elif not self._is_logged:
            self._is_logged = True
            log.info(f"{what}; job.runners() names its process", *waits, extra=A_WAIT)
