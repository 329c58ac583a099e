"""SIGKILL while a processor saves its whole state after each chunk: the files are whole, and what was saved is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# A child loads, adds a chunk, saves, and writes down which chunk was acknowledged; it is killed, and the next goes on.
# After each kill both files are read as they are, before any store is opened.
SAVES = program(__file__, "kill_saves")


def _saves(children: Children, kills: int, total: int) -> None:
    killed, torn, lost, wrong, missing, left, modes = figures_of(children, SAVES, kills, total)
    print(
        f"FIGURES saves: kills={killed} torn={torn} lost={lost} wrong={wrong} without_a_file={missing} left_over={left} "
        f"modes={[f'{mode:04o}' for mode in modes]}"
    )
    assert (killed >= kills, torn, lost, wrong, missing, left, modes) == (True, 0, 0, 0, 0, 0, [0o600])


@pytest.mark.slow
def test_a_kill_during_a_save_tears_nothing(children: Children) -> None:
    """The state file and .bak are whole and 0600 after any kill, and every save that returned is there."""
    _saves(children, 15, 60)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_five_hundred_kills_during_saves(children: Children) -> None:
    """Five hundred kills during saves lose nothing that a save returned for."""
    _saves(children, 500, 300)
