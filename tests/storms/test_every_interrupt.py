"""An interrupt at every place where Python heeds one: nothing is held for ever, and the same store object goes on.

The storms of ``test_interrupts`` strike at random; a lock that is taken in one call and guarded by the next ``try`` they
miss for a long time. Here each run of a call is cut off at the next place, until one comes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# Python heeds signals when a function of its own begins and when one in C has returned: the events of sys.setprofile().
# In filelock's own account of forks they are passed over: what is cut off there is for filelock to mend.
SWEEP = program(__file__, "cut_off")
# Of how many places the short form takes one.
OPERATIONS = {
    "complete": 1,
    "copy_the_log": 1,
    "write_the_state_file": 31,
    "complete_many": 3,
    "read": 5,
    "work": 53,
    "work_on": 53,
    "throw_away": 53,
    "fail": 499,
    "run_map": 97,
    "pause": 97,
    "back_up": 7,
    "fork": 5,
}


def _sweep(children: Children, operation: str, step: int, most: int) -> None:
    points, broken = figures_of(children, SWEEP, operation, step, most)
    print(f"FIGURES every interrupt: operation={operation} points={points} step={step} broken={len(broken)}")
    assert points > 20
    assert broken == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_interrupt_at_any_place_leaves_a_store_that_works(children: Children, operation: str) -> None:
    """An interrupt at any place of a short operation, or some of a longer one, leaves a store that works."""
    _sweep(children, operation, OPERATIONS[operation], 100)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_interrupt_at_each_place(children: Children, operation: str) -> None:
    """After an interrupt at any place of an operation nothing is held, and the same store goes on."""
    _sweep(children, operation, 1, 100_000)
