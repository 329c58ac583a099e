"""The clock goes back a month or forward ten years: order, resuming and backups do not depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

DAY = 86_400
JUMPS = {"back 30 days": -30 * DAY, "forward 10 years": 3653 * DAY}

# Every clock that shows a date is set; the one that only measures runs on, as the system's does.

RUNS = program(__file__, "clock_jumps")


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("jump", "when"),
    [("back 30 days", "both"), ("forward 10 years", "both")]
    + [pytest.param(jump, when, marks=pytest.mark.slow) for jump in JUMPS for when in ("between", "during")],
)
def test_a_clock_that_jumps_changes_no_order(children: Children, jump: str, when: str) -> None:
    """A clock that is set between or during runs changes the times that are shown, and nothing else."""
    said = figures_of(children, RUNS, JUMPS[jump], when)
    print(f"FIGURES clock: jump={jump!r} when={when} wrong=0")
    assert said == {
        "progress": [5, True, True],
        "resumed": [True, [5]],
        "rate": True,
        "latest": True,
        "order": True,
        "newest of the file": True,
        "results": True,
        "check": True,
        "backups": [True, True],
        "newest backup": True,
        "recovered": True,
    }
