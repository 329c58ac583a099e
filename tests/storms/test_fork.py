"""A fork in mid-work: the child gets connections of its own, and nothing that it does reaches the parent's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A thread writes while the main thread forks; the child ends as told, and the parent goes on.
FORKING = program(__file__, "fork_in_mid_work")


def _forks(children: Children, how: str, forks: int) -> None:
    made, failed, acknowledged, lost, missing, problems = figures_of(children, FORKING, how, forks)
    print(
        f"FIGURES forks: child={how} forks={made} failed={failed} acknowledged_in_parent={acknowledged} lost={lost} "
        f"lost_in_children={missing} problems={problems}"
    )
    assert acknowledged > 0
    assert (failed, lost, missing, problems) == (0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["works", "closes", "collects", "exits"])
def test_a_forked_child_leaves_the_parent_alone(children: Children, how: str) -> None:
    """A child that works with, closes, collects or exits with the parent's store uses none of its connections."""
    _forks(children, how, 5)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["works", "closes", "collects", "exits"])
def test_many_forked_children(children: Children, how: str) -> None:
    """None of 250 forked children of each kind uses a connection of the parent's store."""
    _forks(children, how, 250)
