"""The rule of a budget: what an attempt reserves, and when one more attempt fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ROUNDING: Final = 1e-9
"""A sum of costs that exceeds ``max_cost`` by this share only is rounding."""


def in_work_max(priced: int) -> int:
    """Return how many attempts may be in work over all runners, once ``priced`` costs are known.

    The numbers are 1, 2, 2, 4, 4, 4, 4, 8 and so on. A cheap first chunk says little about the next chunks, so the
    number doubles once the costs of all attempts that it allowed are known.
    """
    return 1 << ((priced + 1).bit_length() - 1)


def fits(total: float, max_cost: float) -> bool:
    """Whether a sum of costs stays within a budget, rounding aside."""
    return total <= max_cost * (1 + _ROUNDING)


@dataclass(frozen=True, slots=True)
class Spending:
    """The money that a job has spent at one moment, and the money that its attempts may still spend."""

    spent: float
    """The costs of its results and its failed attempts."""
    reserved: float
    """The reserved costs of attempts in work, and of attempts whose end nobody knows."""
    in_work: int
    """How many attempts with a reservation are in work, over all runners."""
    priced: int
    """How many costs are known."""
    dearest: float
    """The highest known cost: what the next attempt reserves. 0 while none is known."""

    def fits(self, max_cost: float) -> bool:
        """Whether one more attempt fits into the budget, by what is known."""
        return fits(self.spent + self.reserved + self.dearest, max_cost)

    def allows_another(self, max_cost: float) -> bool:
        """Whether one more attempt may start now."""
        return self.in_work < in_work_max(self.priced) and self.fits(max_cost)
