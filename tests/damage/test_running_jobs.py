"""What the copies of a large job give back while it runs: nearly all of it, as they follow within seconds."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreRecovered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkpoint_store import Job

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a large file shows half of the results or more"
)

CHUNKS = 80


def _result(index: int) -> str:
    return f"{index:03} the river rises " * 200


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job of large results that is at work, six seconds a chunk."""
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])  # writing takes no time, however slow the disk is
    with CheckpointStore(tmp_path / "talks.db", durability="process") as store:
        job = store.open_job("talk.srt", total_chunks=CHUNKS + 1)
        for index in range(CHUNKS):
            clock[0] += 6.0
            job.complete(index, _result(index))
        yield job


@pytest.mark.slow_variants
@pytest.mark.parametrize("index", [0, CHUNKS // 2, CHUNKS - 1])
def test_a_damaged_result_heals_while_its_job_runs(job: Job, tmp_path: Path, index: int) -> None:
    """Any damaged result comes back from the state file alone while its job runs."""
    for backup in tmp_path.glob("talks.db.backup-*"):
        backup.unlink()
    with closing(sqlite3.connect(tmp_path / "talks.db", isolation_level=None)) as connection:
        spoil = "UPDATE chunk_results SET result = replace(result, 'river', 'rover') WHERE chunk_index = ?"
        assert connection.execute(spoil, (index,)).rowcount == 1
    with pytest.warns(StoreRecovered):
        assert job.result(index) == _result(index)
    job.complete(CHUNKS, _result(CHUNKS))
    assert dict(job.items()) == {one: _result(one) for one in range(CHUNKS + 1)}


@pytest.mark.slow_variants
@pytest.mark.parametrize("left", ["all copies", "no state file", "no .bak"])
def test_a_lost_store_comes_back_from_what_a_kill_left(job: Job, tmp_path: Path, left: str) -> None:
    """The state file gives every chunk back, and the one before it all but the last: the job goes on from there."""
    assert job.progress().completed_chunks == CHUNKS
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("talks.json", "talks.bak"):
        shutil.copy2(tmp_path / name, folder / name)
    match left:
        case "no state file":
            (folder / "talks.json").unlink()
        case "no .bak":
            (folder / "talks.bak").unlink()
    with pytest.warns(StoreRecovered):
        store = CheckpointStore(folder / "talks.db")
    with store:
        found = dict(store.job("talk.srt").items())
    assert len(found) == (CHUNKS - 1 if left == "no state file" else CHUNKS)
    assert found == {index: _result(index) for index in found}
