"""A worker process outlives the first signal to stop, of whatever kind, and no second one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children

WORKER = program(__file__, "stopped_worker")


@pytest.mark.slow_variants
@pytest.mark.parametrize("names", [["SIGTERM"], ["SIGINT"], ["SIGINT", "SIGINT"]])
def test_a_worker_outlives_what_its_parent_answers(children: Children, names: list[str]) -> None:
    """The parent finishes the chunks in hand; a pool that meets a KeyboardInterrupt in its work goes on."""
    assert children.run(WORKER, *names) == "alive\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("names", [["SIGTERM"] * 2, ["SIGINT", "SIGTERM"], ["SIGINT", "SIGINT", "SIGTERM"]])
def test_a_pool_that_broke_can_end_its_workers(children: Children, names: list[str]) -> None:
    """A broken pool ends its workers by SIGTERM, even after a Ctrl-C, so the program does not hang."""
    assert children.run(WORKER, *names, code=-signal.SIGTERM) == ""
