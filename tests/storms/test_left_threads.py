"""Event loops that their threads leave, and exceptions in worker threads: no loop waits for what nobody does any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A watchdog ends the program, with all its threads' stacks, where a loop does not come to its end.
LEAVE = program(__file__, "leave_event_loops")
STRIKE = program(__file__, "strike_workers")
FORMS = [
    pytest.param(1, 6, marks=pytest.mark.slow),
    *(pytest.param(seed, 300, marks=pytest.mark.storm) for seed in (2, 3)),
]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("seed", "rounds"), FORMS)
def test_what_an_event_loop_left_is_done_once(seed: int, rounds: int, children: Children) -> None:
    """However threads leave their event loops, a later loop does the rest, and pays for no chunk again."""
    left, problems = figures_of(children, LEAVE, rounds, seed)
    print(f"FIGURES left event loops: seed={seed} rounds={rounds} {left} problems={len(problems)}")
    assert problems == []
    assert len(left) > 1


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("seed", "rounds"), FORMS)
def test_exceptions_in_workers_end_no_loop(seed: int, rounds: int, children: Children) -> None:
    """Whatever another thread raises in the workers of a loop, the loop completes all chunks."""
    strikes, problems = figures_of(children, STRIKE, rounds, seed)
    print(f"FIGURES exceptions in workers: seed={seed} rounds={rounds} strikes={strikes} problems={len(problems)}")
    assert problems == []
    assert strikes > rounds
