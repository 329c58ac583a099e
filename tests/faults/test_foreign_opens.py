"""No file that SQLite has open is opened past it: closing that would drop the locks (sqlite.org/howtocorrupt.html, 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children

LIFE = program(__file__, "whole_life")

OFFENDERS = program(__file__, "offenders")


@pytest.mark.slow
def test_no_live_file_is_opened_past_sqlite(children: Children) -> None:
    """No call in the life of a store opens a file past SQLite, with doctor, recovery, forks and commands beside it."""
    said = children.run(LIFE, ".")
    files, _, stacks = said.partition("\n")
    assert stacks == ""
    assert int(files) > 5


@pytest.mark.slow
def test_the_watch_sees_an_open_past_sqlite(children: Children) -> None:
    """The control: a read, one of the index, and a connection without locks are each caught."""
    assert children.run(OFFENDERS, ".") == "3\n"
