"""Interrupts at any moment: the same store object goes on, and what was acknowledged is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A watchdog ends the program, with all its threads' stacks, where a call does not come back.

KEYBOARD = program(__file__, "interrupt_main")

THREADS = program(__file__, "interrupt_threads")

TASKS = program(__file__, "cancel_tasks")
KINDS = {"KeyboardInterrupt": KEYBOARD, "exception in a thread": THREADS, "cancelled task": TASKS}


def _interrupts(children: Children, kind: str, wanted: int) -> None:
    interrupts, acknowledged, lost, wrong, *leaked = figures_of(children, KINDS[kind], wanted, 7)
    print(
        f"FIGURES interrupts: kind={kind!r} interrupts={interrupts} acknowledged={acknowledged} lost={lost} "
        f"wrong={wrong} leaked_store_descriptors={leaked[0]} leaked_connections={leaked[2]} other_descriptors={leaked[1]} "
        "deadlocks=0"
    )
    assert interrupts >= wanted
    assert acknowledged > 1
    assert (lost, wrong, leaked[0], leaked[2]) == (0, 0, 0, 0)
    # Python itself drops a descriptor that an interrupt cuts off between os.open() and the next statement.
    assert leaked[1] <= 1 + interrupts // 50


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_loses_and_leaks_nothing(children: Children, kind: str) -> None:
    """After interrupts at random moments the same store works, has what it acknowledged, and three connections."""
    _interrupts(children, kind, 120)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_interrupts(children: Children, kind: str) -> None:
    """After ten thousand interrupts the same store works, has what it acknowledged, and three connections."""
    _interrupts(children, kind, 3334)
