"""What a program's own ``__del__`` does with a store while the interpreter ends: it works, and nothing is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ProcessingState

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

PROGRAM = program(__file__, "end_in_finalizer")


@pytest.mark.slow_variants
@pytest.mark.parametrize("before", ["completed", "in hand", "in flight"])
def test_closing_a_store_in_a_finalizer_says_nothing(before: str, children: Children, tmp_path: Path) -> None:
    """Whatever was under way: no traceback of a half-dismantled library, and the state file is exact."""
    process = children.start(PROGRAM, before, "nothing")
    assert (process.communicate(timeout=120), process.returncode) == (("", ""), 0)
    shown = ProcessingState.from_json((tmp_path / "talks.json").read_bytes())
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        job = store.jobs()[0]
        assert (job.state(), job.is_active) == (shown, False)


@pytest.mark.slow
def test_a_finalizer_may_still_record(children: Children, tmp_path: Path) -> None:
    """A result, a pause and a status that come at the last moment are in the store."""
    process = children.start(PROGRAM, "completed", "records")
    assert (process.communicate(timeout=120), process.returncode) == (("", ""), 0)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        (job,) = store.jobs()
        assert (dict(job.items()), job.status) == ({0: "x" * 300_000, 1: "y" * 300_000, 3: "last"}, "paused")
