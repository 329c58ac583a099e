"""The pace of a state file while its job runs: its writings keep within a share of the time, and of the bytes.

A small file is written whole after each chunk. A large file is extended: one writing costs the new results, and as
overhead mainly the list of the chunks. If a file cannot be extended, the overhead is the whole file.
"""

from __future__ import annotations

import sys
import time
from typing import Final

_WRITING_TIME_SHARE: Final = 0.02
"""Writing may take this share of the elapsed time. 0.05 is promised: writing also slows down the disk for others."""
_WRITING_CREDIT_SECONDS: Final = 0.05
"""Writing may take this many seconds in advance: the file of a small, quick job is exact after each chunk then."""
SMALL_BYTES: Final = 64 * 1024
"""A file of up to this many bytes is small: it is written whenever the share of the time allows."""
_LARGE_SECONDS_MIN: Final = 5.0
"""Wait this many seconds between two writings of a large file, unless its new results are as large as the file."""
_STOPPED_SECONDS_MIN: Final = 1.0
_STOPPED_FACTOR: Final = 10.0
"""A process was stopped (Ctrl-Z) during a writing of more than this many seconds, and this factor of the last one."""
_OVERHEAD_SHARE_MAX: Final = 1 / 8
"""Write a large file once the overhead is at most this share of the bytes of the new results."""
_OVERHEAD_BYTES_PER_SECOND_MAX: Final = 512
"""Write a large file once the overhead is at most this many bytes for each second since the last writing."""
_SWITCH_SECONDS: Final = 60.0
"""If jobs share the state file, show a job for at least this many seconds before another job."""


class WritingPace:
    """The schedule of writing a state file. For one thread at a time: a race may add a writing, or delay one."""

    def __init__(self) -> None:
        self._credit = _WRITING_CREDIT_SECONDS
        self._cost = 0.0
        """How many seconds the last writing took. The next one waits until as many are saved up."""
        self._counted_at = self._due_at = time.monotonic()
        self._wrote_at = self._looked_at = self._switched_at = float("-inf")
        self.shown_job_id = ""
        """The job that this process wrote last into the file; empty before its first writing."""
        self.size_bytes = 0
        """The size of the file when it was written last."""
        self._grown = 0
        """How many bytes of results were recorded since the file was written last."""
        self._overhead_bytes = 0
        """The expected overhead of the next writing."""

    @property
    def is_large(self) -> bool:
        """Whether the file would be too large to be written whole each time."""
        return self.size_bytes + self._grown > SMALL_BYTES

    @property
    def has_doubled(self) -> bool:
        """Whether the new results are as large as the file."""
        return self._grown >= self.size_bytes

    def is_due(self, job_id: str, moment: float, size_bytes: int) -> bool:
        """Count results of ``size_bytes``, recorded at ``moment``, and return whether to write the file now."""
        self._grown += size_bytes
        if moment < self._due_at:
            return False
        if not self.is_large or not self.shown_job_id:
            return True
        if job_id != self.shown_job_id:
            return moment - self._switched_at >= _SWITCH_SECONDS
        if moment - self._looked_at < _LARGE_SECONDS_MIN:
            return False
        if self.has_doubled:
            return True
        is_early = moment - self._wrote_at < _LARGE_SECONDS_MIN
        return not is_early and self._overhead_bytes <= self.overhead_bytes_max(job_id, moment)

    def overhead_bytes_max(self, job_id: str, moment: float) -> int:
        """Return the most overhead that a writing may have now, in bytes."""
        if self.has_doubled or job_id != self.shown_job_id:
            return sys.maxsize
        return int(max(self._grown * _OVERHEAD_SHARE_MAX, (moment - self._wrote_at) * _OVERHEAD_BYTES_PER_SECOND_MAX))

    def wrote(self, job_id: str, size_bytes: int, overhead_bytes: int) -> None:
        """Note that the file shows this job now, with its size and the overhead of the writing."""
        self._wrote_at = time.monotonic()
        if job_id != self.shown_job_id:
            self._switched_at = self._wrote_at
        self.shown_job_id, self.size_bytes, self._grown, self._overhead_bytes = job_id, size_bytes, 0, overhead_bytes

    def put_off(self, moment: float) -> None:
        """Note that the file was due at ``moment`` and was not written: it is due again some seconds later.

        Only the next try can tell what the file costs then, for example because ``.bak`` is no longer read.
        """
        self._looked_at, self._overhead_bytes = moment, 0

    def spent(self, started: float, ended: float) -> None:
        """Count the time that writing took, whether or not it succeeded."""
        most = max(_WRITING_CREDIT_SECONDS, self._cost)
        saved = min(most, self._credit + (started - self._counted_at) * _WRITING_TIME_SHARE)
        # The time of a stopped process is no cost. If a disk has really become so slow, the cost follows step by step.
        self._cost = min(ended - started, max(_STOPPED_SECONDS_MIN, _STOPPED_FACTOR * self._cost))
        self._counted_at = started
        self._credit = saved - self._cost
        self._due_at = started + (self._cost - self._credit) / _WRITING_TIME_SHARE
