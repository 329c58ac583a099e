"""Every released schema, frozen: it is upgraded, and its half-done job resumed."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, MigrationFailed, StoreDamaged, StoreRecovered
from checkpoint_store.model.store_file import RELEASED_VERSIONS, SCHEMA_VERSION

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

DUMPS = sorted(make_dump.DUMPS.glob("*.sql"))
BY_HAND: Final = {
    "no view": "DROP VIEW job_progress",
    "a wrong version": "UPDATE alembic_version SET version_num = '1.1'",
}
"""What a person may do to a store at a prompt, so that no upgrade of it succeeds."""


def test_every_released_version_has_a_dump() -> None:
    """A dump of each released schema was made when it was released."""
    assert [path.stem.replace("_", ".") for path in DUMPS] == sorted(RELEASED_VERSIONS)


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_dump_is_upgraded_and_resumed(dump: Path, tmp_path: Path) -> None:
    """What was done is not done again; what was left is."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.check() == []
        job = make_dump.open_lecture(store)
        assert (job.video_title, len(store.jobs())) == ("Größe", 4 if dump.stem >= "1_3" else 3)
        done_now = []
        for chunk in job.pending():
            done_now.append(chunk.index)
            chunk.complete(make_dump.clean(chunk.data))
        assert done_now == [2, 4]
        assert list(job.results()) == [make_dump.clean(text) for text in make_dump.CHUNKS]
        assert job.totals("tokens", "cost") == {"tokens": sum(map(len, make_dump.CHUNKS)), "cost": 1.25}
        (failed,) = store.jobs(status="failed")
        assert list(failed.items()) == [(1, [1, 2.5, None, True, "x", 2**70])]
        assert failed.error_message == "RuntimeError: it broke"
        edited = store.open_job(
            "lecture.srt",
            chunks=["new", *make_dump.CHUNKS],
            model="m-1",
            on_change="reuse",
            reuse_ignoring=["provider", "config"],
        )
        assert [chunk.index for chunk in edited.pending()] == [0]
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA_VERSION,)]
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
def test_the_copy_of_a_killed_upgrade_is_swept_by_the_next(tmp_path: Path, children: Children) -> None:
    """No unfinished copy, with results, stays beside a store of which an upgrade was killed."""
    path = tmp_path / "talks.db"
    make_dump.load(DUMPS[0].read_text(encoding="utf-8"), path)
    children.run(program(__file__, "killed_while_copying"), path, code=-9)
    assert list(tmp_path.glob("*.tmp-*"))
    CheckpointStore(path).close()
    assert list(tmp_path.glob("*.tmp-*")) == []


def test_no_copy_is_named_that_there_was_no_room_for(tmp_path: Path) -> None:
    """The error of an upgrade names a copy only if the copy was made; the store is as it was, and is upgraded later."""
    path = tmp_path / "talks.db"
    make_dump.load(DUMPS[0].read_text(encoding="utf-8"), path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size - 1, limits[1]))
    try:
        with pytest.raises(MigrationFailed, match="The file is as it was before") as caught:
            CheckpointStore(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.backup is None
    assert list(tmp_path.glob("*.backup-*")) == []
    with CheckpointStore(path) as store:
        assert len(store.jobs()) == 3


@pytest.mark.slow
def test_upgrades_that_are_killed_again_and_again_leave_one_copy(tmp_path: Path, children: Children) -> None:
    """Killed upgrades fill no disk with copies, and push out no backup of another content."""
    path = tmp_path / "talks.db"
    make_dump.load(DUMPS[0].read_text(encoding="utf-8"), path)
    earlier = tmp_path / f"talks.db.backup-{DUMPS[0].stem.replace('_', '.')}-0001"
    make_dump.load(DUMPS[0].read_text(encoding="utf-8"), earlier)
    for _ in range(2):
        children.run(program(__file__, "killed_behind_the_copy"), path, code=-9)
    CheckpointStore(path).close()
    assert earlier.exists()
    assert len(list(tmp_path.glob("*.backup-*"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("dump", [dump for dump in DUMPS if dump.stem in ("1_0", "1_3")], ids=lambda path: path.stem)
@pytest.mark.parametrize("change", BY_HAND.values(), ids=list(BY_HAND))
def test_an_older_store_that_was_changed_by_hand_is_made_anew(dump: Path, change: str, tmp_path: Path) -> None:
    """If the tables or views of an older store were changed by hand, its results come back with the next open."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(change)
        known = raw.execute("SELECT count(*) FROM completed_chunks").fetchone()
    with pytest.warns(StoreRecovered, match="tables and views are not those of schema"):
        CheckpointStore(path).close()
    with CheckpointStore(path) as store, closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM completed_chunks").fetchone() == known
        assert store.check() == []


@pytest.mark.slow
def test_an_older_store_whose_job_was_deleted_by_hand_says_what_would_be_lost(tmp_path: Path) -> None:
    """The error of an upgrade names the chunks whose job was deleted at a prompt, and the call that accepts the loss."""
    path = tmp_path / "talks.db"
    make_dump.load(DUMPS[0].read_text(encoding="utf-8"), path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("DELETE FROM jobs WHERE file_name = 'lecture.srt'")
    with pytest.raises(StoreDamaged, match=r"3 of 3 completed chunks of job .*recover_store\(.*, accept_loss=True\)"):
        CheckpointStore(path)


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_damaged_store_of_any_version_is_made_anew(dump: Path, tmp_path: Path) -> None:
    """Opening a damaged store recovers the store, whatever its schema, also where a user has added a column to it."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("ALTER TABLE jobs ADD COLUMN note TEXT")
        ((page,),) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_jobs_file_name'")
        ((size_bytes,),) = raw.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size_bytes)
        file.write(b"\xff" * size_bytes)
    with pytest.warns(StoreRecovered, match="talks.db was made anew"):
        CheckpointStore(path).close()
    with CheckpointStore(path) as store:
        assert dict(make_dump.open_lecture(store).items()).keys() == {0, 1, 3}
        assert store.check() == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_half_done_job_of_any_version_is_finished_by_map(dump: Path, tmp_path: Path) -> None:
    """Only what is left is asked for, whatever version made the rest; what was in doubt then is so no longer."""
    path = tmp_path / "talks.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    asked = []

    def clean(text: str) -> dict[str, object]:
        asked.append(text)
        return make_dump.clean(text)

    with CheckpointStore(path) as store:
        job = store.latest_job()
        assert job is not None
        in_doubt = [record.chunk_index for record in job.in_doubt_chunks()]
        assert in_doubt == ([] if dump.stem == "1_0" else [4])
        results = store.map(
            clean,
            make_dump.CHUNKS,
            file_name="lecture.srt",
            model="m-1",
            provider="p-1",
            config={"chunk_size": 2000, "language": "en", "nested": {"a": [1, None]}},
            workers=2,
        )
        assert results == [make_dump.clean(text) for text in make_dump.CHUNKS]
        assert sorted(asked) == sorted(make_dump.CHUNKS[index] for index in (2, 4))
        assert (job.status, job.in_doubt_chunks(), job.failed_chunks()) == ("completed", [], [])
        assert store.check() == []


def test_the_newest_dump_has_the_present_schema(tmp_path: Path) -> None:
    """A revision that is changed after its dump was made is noticed."""
    newest = make_dump.DUMPS / f"{SCHEMA_VERSION.replace('.', '_')}.sql"
    make_dump.load(newest.read_text(encoding="utf-8"), tmp_path / "dump.db")
    make_dump.make(tmp_path / "now.db")

    def schema(name: str) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(tmp_path / name)) as raw:
            return raw.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    assert schema("dump.db") == schema("now.db")
