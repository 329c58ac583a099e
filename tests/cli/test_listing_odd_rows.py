"""``list`` on a store in which a row of ``jobs`` cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from .conftest import Folder


def test_the_sound_jobs_are_listed(folder: Folder) -> None:
    """``list`` prints the sound jobs; stderr has the damaged job, the line that mends the store, and exit 2."""
    path = folder.path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        jobs = [store.open_job(name, chunks=[name, "rest"]) for name in ("a.srt", "b.srt")]
        jobs[0].complete(0, {"text": "a"})
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE jobs SET started_at = 'soon' WHERE file_name = 'b.srt'")
    done = folder.run("list", "--store", path, code=2)
    assert "a.srt" in done.stdout
    told = " ".join(done.stderr.split())
    assert jobs[1].job_id in told
    assert f"checkpoint-store recover --store {path}" in told
    document = folder.json("list", "--store", path, code=2)
    assert [job["file_name"] for job in document["jobs"]] == ["a.srt"]
    assert jobs[1].job_id in document["error"]
