"""A token bucket: how much may start now, where so much may start in a minute."""

from __future__ import annotations

from typing import Final

_MINUTE_SECONDS: Final = 60.0


class TokenBucket:
    """Fills evenly, from empty, and is emptied by what starts. Moments are those of one monotonic clock, in seconds.

    It holds no more than the largest amount that was asked for. So in any minute no more starts than ``per_minute`` and
    one such amount, and a program that is started again and again gains nothing by it.
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
        """Take an amount out. What is not there becomes a debt; a negative amount is given back."""
        self._fill(moment)
        self._level = min(self._level - amount, self._capacity)

    def _fill(self, moment: float) -> None:
        self._level = min(self._level + (moment - self._moment) * self._rate, self._capacity)
        self._moment = moment
