"""How often a state file may be written while its job runs: a share of the time, and of the bytes.

A small file is written whole after each chunk. A large one grows, and what each writing of it costs besides new results
is mainly the list of the chunks. Where a file cannot grow, that is the whole file.
"""

from __future__ import annotations

import sys
import time
from typing import Final

_SHARE: Final = 0.02
"""Of the elapsed time, what writing may take: the promise is 0.05, and meanwhile the disk is slower for others."""
_CREDIT_SECONDS: Final = 0.05
"""What may be spent in advance, so that the file of a small, quick job is exact after each chunk."""
SMALL_BYTES: Final = 64 * 1024
"""A file up to this size is written whenever the time allows."""
_APART_SECONDS: Final = 5.0
"""A larger one is written again after so many seconds at the earliest,"""
_BESIDES_SHARE: Final = 1 / 8
"""and when what is written besides new results is at most this share of them,"""
_BESIDES_BYTES_PER_SECOND: Final = 512
"""or at most so much for each second since. When the new results are as large as the file, it is written at once."""
_SWITCH_SECONDS: Final = 60.0
"""Where jobs take turns, the file changes from the one to the other after so many seconds at the earliest."""


class WritingPace:
    """When the state file is due again. Used by one thread at a time; a race costs a file too many, or one later."""

    def __init__(self) -> None:
        self._credit = _CREDIT_SECONDS
        self._cost = 0.0
        """Seconds that the last time took: the next one waits until they are saved up."""
        self._counted_at = self._due_at = time.monotonic()
        self._wrote_at = self._looked_at = self._switched_at = float("-inf")
        self._shown = ""
        """The job that the file shows."""
        self.size_bytes = 0
        """How large the file was when it was written last."""
        self._grown = 0
        """Bytes of results that were recorded since."""
        self._besides = 0
        """Bytes that the next writing is expected to cost besides new results."""

    @property
    def is_large(self) -> bool:
        """Whether the file would be too large to be written whole each time."""
        return self.size_bytes + self._grown > SMALL_BYTES

    @property
    def has_doubled(self) -> bool:
        """Whether the new results are as large as the file."""
        return self._grown >= self.size_bytes

    def is_due(self, job_id: str, moment: float, size_bytes: int) -> bool:
        """Count results of so many bytes, recorded at ``moment``, and return whether the file is to be written now."""
        self._grown += size_bytes
        if moment < self._due_at:
            return False
        if not self.is_large or not self._shown:
            return True
        if job_id != self._shown:
            return moment - self._switched_at >= _SWITCH_SECONDS
        if moment - self._looked_at < _APART_SECONDS:
            return False
        if self.has_doubled:
            return True
        is_early = moment - self._wrote_at < _APART_SECONDS
        return not is_early and self._besides <= self.besides_bytes_max(job_id, moment)

    def besides_bytes_max(self, job_id: str, moment: float) -> int:
        """Return how much the file may cost now besides new results."""
        if self.has_doubled or job_id != self._shown:
            return sys.maxsize
        return int(max(self._grown * _BESIDES_SHARE, (moment - self._wrote_at) * _BESIDES_BYTES_PER_SECOND))

    def wrote(self, job_id: str, size_bytes: int, besides_bytes: int) -> None:
        """Note that the file shows this job now, how large it is, and what that cost besides new results."""
        self._wrote_at = time.monotonic()
        if job_id != self._shown:
            self._switched_at = self._wrote_at
        self._shown, self.size_bytes, self._grown, self._besides = job_id, size_bytes, 0, besides_bytes

    def put_off(self, moment: float, besides_bytes: int = 0) -> None:
        """Note that the file was not written at this moment, and what that would have cost besides new results."""
        self._looked_at, self._besides = moment, besides_bytes

    def spent(self, started: float, ended: float) -> None:
        """Count the time that writing took, whether or not it succeeded."""
        most = max(_CREDIT_SECONDS, self._cost)
        saved = min(most, self._credit + (started - self._counted_at) * _SHARE)
        self._counted_at, self._cost = started, ended - started
        self._credit = saved - self._cost
        self._due_at = started + (self._cost - self._credit) / _SHARE
