"""A backup that an earlier version made is restored: the copy from before an upgrade is such a backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.shard_tools import rows
from migration import make_dump

from checkpoint_store import CheckpointStore, StoreDamaged, migration_status, restore_store

if TYPE_CHECKING:
    from pathlib import Path

DUMPS = sorted(make_dump.DUMPS.glob("*.sql"))


@pytest.mark.slow
@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_backup_of_any_schema_is_restored(dump: Path, tmp_path: Path) -> None:
    """A backup of an older schema is checked, put in place and upgraded."""
    old = tmp_path / "old.db"
    make_dump.load(dump.read_text(encoding="utf-8"), old)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("other", total_chunks=1)
    restore_store(old, tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job("lecture.srt").progress().total_chunks == len(make_dump.CHUNKS)
        assert store.check() == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_damaged_backup_of_any_schema_is_refused(dump: Path, tmp_path: Path) -> None:
    """A result that is not what was stored is found in a backup of an older schema, too; nothing is changed."""
    old = tmp_path / "old.db"
    text = dump.read_text(encoding="utf-8")
    make_dump.load(text, old)
    ((result,),) = rows(old, "SELECT result FROM chunk_results LIMIT 1")
    old.unlink()
    make_dump.load(text.replace(result, result[:-1] + "x" + result[-1], 1), old)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("other", total_chunks=1)
    with pytest.raises(StoreDamaged, match="Choose another backup"):
        restore_store(old, tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [job.file_name for job in store.jobs()] == ["other"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("schema", ["1.0", "1.4"])
def test_a_restored_copy_keeps_its_schema(schema: str, tmp_path: Path) -> None:
    """Who goes back to an older version puts back the copy that the upgrade made, and the older version can open that copy."""
    path = tmp_path / "talks.db"
    make_dump.load((make_dump.DUMPS / f"{schema.replace('.', '_')}.sql").read_text(encoding="utf-8"), path)
    with CheckpointStore(path) as store:  # upgrades it
        store.job("lecture.srt").complete(2, {"cleaned_text": "later"})
    (copy,) = tmp_path.glob(f"talks.db.backup-{schema}-*")
    with pytest.warns(UserWarning, match="1 chunk that the replaced store had completed is not in the backup"):
        restore_store(copy, path)
    assert migration_status(path).current == schema
    assert ((tmp_path / "talks.json").exists(), (tmp_path / "talks.bak").exists()) == (False, True)
    with CheckpointStore(path) as store:
        assert [index for index, _ in store.job("lecture.srt").items()] == [0, 1, 3]
