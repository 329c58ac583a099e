"""The one question before each start: may one more chunk start now, and if not, when to look again."""

from __future__ import annotations

import time
from typing import Any

from checkpoint_store.loop.gates.gates import OPEN, UNTIL_ONE_ENDS, Gate, Gates


class Fixed(Gate):
    """A gate that gives the same answer always, and counts what it is told."""

    def __init__(self, answer: float) -> None:
        self.answer = answer
        self.asked: list[int] = []
        self.started_attempts: list[Any] = []

    def opens_at(self, in_flight: int) -> float:
        self.asked.append(in_flight)
        return self.answer

    def started(self, attempt: Any) -> None:
        self.started_attempts.append(attempt)


def test_a_chunk_starts_when_all_gates_are_open() -> None:
    """A chunk starts when all gates are open; a gate behind a closed gate is not asked, for it may read the store."""
    soon = time.monotonic() + 60
    first, closed, behind = Fixed(OPEN), Fixed(soon), Fixed(UNTIL_ONE_ENDS)
    assert Gates([first, Fixed(OPEN)]).opens_at(3) == OPEN
    assert Gates([first, closed, behind]).opens_at(4) == soon
    assert (first.asked, behind.asked) == ([3, 4], [])


def test_a_gate_whose_moment_has_passed_is_open() -> None:
    """A gate whose moment has passed is open, and hides no closed gate behind it."""
    assert Gates([Fixed(time.monotonic() - 1), Fixed(UNTIL_ONE_ENDS)]).opens_at(0) == UNTIL_ONE_ENDS


def test_each_gate_learns_of_each_start() -> None:
    """Each gate learns of each start, so that it can count what it lets through."""
    gates = [Fixed(OPEN), Fixed(UNTIL_ONE_ENDS)]
    attempt: Any = object()
    Gates(gates).started(attempt)
    assert [gate.started_attempts for gate in gates] == [[attempt], [attempt]]
