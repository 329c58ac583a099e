"""A copy that an older version made brings back what it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreRecovered
from tests.migration.make_dump import CHUNKS, DUMPS, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_backup_of_an_older_schema_brings_its_jobs_and_results_back(tmp_path: Path, version: str) -> None:
    """A store is lost, and the newest backup was made before an upgrade: no result of the backup is paid for again."""
    dumped = (DUMPS / f"{version.replace('.', '_')}.sql").read_text(encoding="utf-8")
    load(dumped, tmp_path / f"talks.db.backup-{version}-0001")
    with pytest.warns(StoreRecovered):
        opened = CheckpointStore(tmp_path / "talks.db")
    with opened as store:
        jobs = {job.file_name: job.progress().completed_chunks for job in store.jobs()}
        (half_done,) = store.jobs(file_name="lecture.srt")
        assert [index for index, _ in half_done.items()] == [0, 1, 3]
        assert half_done.total_chunks == len(CHUNKS)
    assert jobs == {"lecture.srt": 3, "numbered.txt": 1, "done.txt": 1}
