"""SIGKILL at any moment: what was acknowledged is there, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# Two processes of four threads each work at the same chunks, every one with a result of its own, and write down what
# was acknowledged; one is killed, a moment later the other, and two more go on, until the job is done. Then the next.
WRITERS = program(__file__, "killed_writers")
MODES = [(durability, mode) for durability in ("power-loss", "process") for mode in ("wal", "truncate")]


def _writers(children: Children, kills: int, total: int, durability: str, mode: str) -> None:
    killed, jobs, acknowledged, lost, duplicated, problems, strays = figures_of(
        children, WRITERS, 1, kills, durability, mode, total
    )
    print(
        f"FIGURES kills: durability={durability} journal={mode} kills={killed} jobs={jobs} "
        f"acknowledged={acknowledged} lost={lost} duplicated={duplicated} problems={problems}"
    )
    assert killed >= kills
    assert acknowledged > 0
    assert (lost, duplicated, problems, strays) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("durability", "mode", "kills", "total"),
    [(*MODES[0], 3, 10), *(pytest.param(*mode, 10, 30, marks=pytest.mark.slow) for mode in MODES)],
)
def test_a_kill_loses_no_acknowledged_chunk(
    children: Children, durability: str, mode: str, kills: int, total: int
) -> None:
    """After one of two processes with four threads each is killed, each acknowledged chunk is there, once."""
    _writers(children, kills, total, durability, mode)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("durability", "mode"), MODES)
def test_a_thousand_kills(children: Children, durability: str, mode: str) -> None:
    """After 250 kills in each of four modes, each chunk that was acknowledged is there, once."""
    _writers(children, 250, 240, durability, mode)


EXPORTS = program(__file__, "killed_exports")


def _exports(children: Children, kills: int) -> None:
    killed, torn, left, modes = figures_of(children, EXPORTS, kills)
    print(
        f"FIGURES export kills: kills={killed} torn={torn} left_over={left} modes={[f'{mode:04o}' for mode in modes]}"
    )
    assert (killed >= kills, torn, left, modes) == (True, 0, 0, [0o600])


@pytest.mark.slow
def test_a_kill_during_an_export_tears_nothing(children: Children) -> None:
    """The state file and the one before it are whole and 0600 after any kill, and the next export sweeps."""
    _exports(children, 25)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_thousand_kills_during_export(children: Children) -> None:
    """A thousand kills during an export leave a whole file."""
    _exports(children, 1000)


OPENS = program(__file__, "first_opens")


def _first_opens(children: Children, count: int, rounds: int) -> None:
    opened, problems = figures_of(children, OPENS, count, rounds)
    print(f"FIGURES first opens: at_once={count} opens={opened} failed={problems}")
    assert problems == 0


@pytest.mark.slow
def test_first_opens_at_the_same_moment_make_one_store(children: Children) -> None:
    """However many processes create the same store at once, there is one schema, one job, and each one's chunk."""
    _first_opens(children, 12, 1)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_hundred_first_opens(children: Children) -> None:
    """A hundred processes that create a store at once make one schema and one job, and each keeps its chunk."""
    _first_opens(children, 100, 3)
