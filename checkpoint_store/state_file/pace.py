"""How often a state file may be written while its job runs: a share of the time, and of the bytes.

The file is whole each time that it is written, so a large one cannot be written after each chunk: 2,000 chunks of 4 KB
would make 8 GB.
"""

from __future__ import annotations

import time
from typing import Final

_SHARE: Final = 0.02
"""Of the elapsed time, what writing may take: the promise is 0.05, and meanwhile the disk is slower for others."""
_CREDIT_SECONDS: Final = 0.05
"""What may be spent in advance, so that the file of a small, quick job is exact after each chunk."""
_SMALL_BYTES: Final = 64 * 1024
"""A file up to this size is written whenever the time allows."""
_GROWTH: Final = 4.0
"""A larger one is written when it would be so many times as large: all writing before the last file is a third more
than the largest of these files, which the job's end makes exact."""
_SLOW_SECONDS: Final = 5.0
"""Or when the chunk before was recorded that long ago, and the file has no more than so many bytes for each second."""
_SLOW_BYTES_PER_SECOND: Final = 16 * 1024


class WritingPace:
    """When the state file is due again. Used by one thread at a time; a race costs a file too many, or one later."""

    def __init__(self) -> None:
        self._credit = _CREDIT_SECONDS
        self._cost = 0.0
        """Seconds that the last time took: the next one waits until they are saved up."""
        self._counted_at = self._due_at = time.monotonic()
        self._recorded_at = float("-inf")
        self._shown = ""
        """The job that the file shows."""
        self._size = 0
        self._grown = 0
        """Bytes of results that were recorded since the file was written."""

    def is_due(self, job_id: str, moment: float, size_bytes: int) -> bool:
        """Count results of so many bytes, recorded at ``moment``, and return whether the file is to be written now."""
        waited, self._recorded_at = moment - self._recorded_at, moment
        self._grown += size_bytes
        if moment < self._due_at:
            return False
        size = self._size + self._grown
        is_large = size > _SMALL_BYTES and size < self._size * _GROWTH
        comes_rarely = waited >= _SLOW_SECONDS and size <= waited * _SLOW_BYTES_PER_SECOND
        return not is_large or comes_rarely or job_id != self._shown

    def wrote(self, job_id: str, size_bytes: int) -> None:
        """Note that the file shows this job now, and how large it is."""
        self._shown, self._size, self._grown = job_id, size_bytes, 0

    def spent(self, started: float, ended: float) -> None:
        """Count the time that writing took, whether or not it succeeded."""
        most = max(_CREDIT_SECONDS, self._cost)
        saved = min(most, self._credit + (started - self._counted_at) * _SHARE)
        self._counted_at, self._cost = started, ended - started
        self._credit = saved - self._cost
        self._due_at = started + (self._cost - self._credit) / _SHARE
