"""A token bucket: how much may start now, for a limit per minute."""

from __future__ import annotations

from typing import Final

_MINUTE_SECONDS: Final = 60.0


class TokenBucket:
    """A bucket that is empty at first and fills evenly; each start takes an amount out. Moments are monotonic seconds.

    The bucket holds no more than the largest amount that was asked for. So at most ``per_minute`` plus that
    amount starts in any minute, and a program that is started again and again gains nothing by it.
    """

    def __init__(self, per_minute: float, moment: float) -> None:
        self._rate = per_minute / _MINUTE_SECONDS
        self._moment = moment
        self._level = 0.0
        self._capacity = 0.0

    def set_rate(self, per_minute: float, moment: float) -> None:
        """Fill at another rate from now on."""
        self._fill(moment)
        self._rate = per_minute / _MINUTE_SECONDS

    def ready_at(self, amount: float, moment: float) -> float:
        """Return the moment at which the bucket holds this amount, if nothing is taken meanwhile: ``moment`` or later.

        From the first time that a larger amount is asked for, the bucket holds that much.
        """
        self._capacity = max(self._capacity, amount)
        self._fill(moment)
        return moment + max(0.0, amount - self._level) / self._rate

    def take(self, amount: float, moment: float) -> None:
        """Take an amount out. The bucket may go below 0; a negative amount is given back."""
        self._fill(moment)
        self._level = min(self._level - amount, self._capacity)

    def _fill(self, moment: float) -> None:
        self._level = min(self._level + (moment - self._moment) * self._rate, self._capacity)
        self._moment = moment
