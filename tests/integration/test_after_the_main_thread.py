"""The main thread of a program has ended, and the interpreter waits for a thread with an event loop."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.skipif((3, 12) <= sys.version_info < (3, 12, 3), reason="Python starts no thread then (gh-113964)")
def test_an_event_loop_in_another_thread_goes_on(tmp_path: Path) -> None:
    """What was under way is recorded, and the loop comes to its end, as does one that begins then."""
    outlives = program(__file__, "outlive_main_thread")
    command = [sys.executable, outlives]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        results = {job.file_name: (job.status, list(job.results())) for job in store.jobs()}
    assert results == {"talk.srt": ("completed", [0, 1, 2, 3]), "other.srt": ("completed", [0, 1])}
