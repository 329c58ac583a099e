"""A fork while a store is open, or a loop is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children


def test_a_forked_child_that_goes_on_with_a_loop_gets_an_error(children: Children) -> None:
    """A forked child that goes on with its parent's loop gets an error, which says what to do, instead of a hang."""
    refused, ended = children.run(program(__file__, "fork_in_loop")).split("\n")[:2]
    assert refused == (
        "refused this loop belongs to the parent of this forked process. Begin another loop in this process."
    )
    assert ended == "0 [1, 2, 3] completed"


@pytest.mark.slow_variants
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("where", ["child", "parent"])
def test_a_file_that_was_open_at_a_fork_is_opened_again_at_once(
    children: Children, where: str, *, read_only: bool
) -> None:
    """A fork closes the connections of the open store: another opening waits for no call that opens them again."""
    said = children.run(program(__file__, "open_after_a_fork"), where, read_only)
    assert said.split("\n")[:2] == ["1 True", "completed []"]
