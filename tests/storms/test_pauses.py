"""Signal handlers of a program that ask for a pause, at any moment of any loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A watchdog ends the program, with all its threads' stacks, where a call does not come back.
PROGRAM = program(__file__, "pause_in_handler")
LOOPS = ("map", "threads", "pending", "amap")


def _pauses(children: Children, loop: str, after: str, wanted: int) -> None:
    signals = figures_of(children, PROGRAM, loop, after, wanted, 1)
    print(f"FIGURES pauses in handlers: loop={loop!r} handler={after!r} signals={signals} hangs=0 lost=0 paid_twice=0")
    assert signals >= wanted


@pytest.mark.slow
@pytest.mark.parametrize("after", ["goes_on", "raises"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_pause_in_a_handler_ends_the_loop_and_loses_nothing(children: Children, loop: str, after: str) -> None:
    """A handler that pauses, and may then raise, ends the loop; the job is paused, and the next run does the rest."""
    _pauses(children, loop, after, 12)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("after", ["goes_on", "raises"])
@pytest.mark.parametrize("loop", LOOPS)
def test_two_thousand_pauses_in_handlers(children: Children, loop: str, after: str) -> None:
    """After each of two thousand pauses in four kinds of loops, the job is paused, and the next run does the rest."""
    _pauses(children, loop, after, 250)
