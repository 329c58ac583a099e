"""How many functions a completion calls: after a wait for the disk each call costs about a microsecond."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store import CheckpointStore


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions of Python a call of ``work`` calls, itself not counted."""
    calls = []

    def note(_frame: object, event: str, _argument: Any) -> None:
        if event == "call":
            calls.append(event)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return len(calls) - 1


@pytest.mark.parametrize(("sequential", "calls_max"), [(False, 35), (True, 40)])
def test_a_completion_calls_no_function_that_finds_nothing_to_do(
    open_store: Callable[..., CheckpointStore], *, sequential: bool, calls_max: int
) -> None:
    """A completion that has nothing to do beside its result costs no call for a backup, a cost or a gap."""
    job = open_store(state_file=None).open_job("talk.srt", total_chunks=20, sequential=sequential)
    fewest = min(calls_of(lambda index=index: job.complete(index, {"text": "x"})) for index in range(19))  # type: ignore[misc]
    assert fewest <= calls_max
