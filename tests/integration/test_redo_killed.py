"""Killed anywhere between the asking for a redo and its results: earlier results stay, and nothing is paid once too often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("apart", [13, pytest.param(1, marks=pytest.mark.storm)])
def test_a_redo_that_is_killed_goes_on(apart: int, children: Children) -> None:
    """At each kill every chunk has a result, the mark of a chunk goes with its earlier result, and the rest is done."""
    process = children.start(program(__file__, "redo_killed"), apart)
    told = json.loads(children.finish(process, timeout_seconds=1000))  # a storm beside other work takes long
    assert told["kills"] > 60 / apart
    assert told["left"] > 0
