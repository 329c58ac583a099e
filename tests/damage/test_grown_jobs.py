"""A job that grew since a copy was made: what the newer copies have of its new chunks comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreRecovered

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


def work(store: CheckpointStore, chunks: str, *, leave: int = 0) -> None:
    job = store.open_job("feed", chunks=list(chunks), on_change="extend")
    for chunk in job.pending():
        if chunk.index < len(chunks) - leave:
            chunk.complete(chunk.data.upper())
    job.pause()


@pytest.mark.slow_variants
@pytest.mark.parametrize("leave", [0, 1])
def test_a_state_file_knows_more_chunks_than_an_older_backup(open_store: Opener, tmp_path: Path, leave: int) -> None:
    """A backup from before a job grew has the last word neither on its number of chunks nor on its status."""
    with open_store() as store:
        work(store, "abc")
    backups = {path: path.read_bytes() for path in tmp_path.glob("*.backup*")}
    assert backups
    with open_store() as store:
        work(store, "abcde", leave=leave)
    for path in tmp_path.glob("*.backup*"):
        path.unlink()
    for path, content in backups.items():
        path.write_bytes(content)
        path.chmod(0o600)
    (tmp_path / "talks.db").unlink()
    with pytest.warns(StoreRecovered):
        store = open_store()
    job = store.job("feed")
    assert [result for _, result in job.items()] == list("ABCDE")[: 5 - leave]
    assert (job.total_chunks, job.status, store.check()) == (5, "paused" if leave else "completed", [])
    again = store.open_job("feed", chunks=list("abcde"))
    assert (again.job_id, [chunk.data for chunk in again.pending()]) == (job.job_id, list("abcde")[5 - leave :])
