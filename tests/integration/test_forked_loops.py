"""A fork while a loop is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conftest import program

if TYPE_CHECKING:
    from conftest import Children


def test_a_forked_child_that_goes_on_with_a_loop_gets_an_error(children: Children) -> None:
    """A forked child that goes on with its parent's loop gets an error instead of a hang."""
    assert children.run(program(__file__, "fork_in_loop")).split("\n")[:2] == ["refused True", "0 [1, 2, 3] completed"]
