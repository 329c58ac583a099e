"""A way back that is refused leaves nothing behind, and takes nothing away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import (
    CheckpointStore,
    MigrationFailed,
    StoreDamaged,
    migrate,
    migration_status,
    recover_store,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with an attempt, of which schema 1.0 knows nothing, and two backups."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.txt", total_chunks=2)
        job.fail_chunk(0, "no")
    store.path.with_name("talks.db.backup-1.5-0007").write_bytes(store.path.read_bytes())
    with CheckpointStore(store.path) as store:
        store.backup(tmp_path / "copy.db").rename(store.path.with_name("talks.db.backup-1.5-0008"))
    return store.path


@pytest.mark.slow
def test_a_refused_way_back_leaves_no_backup_and_pushes_out_none(path: Path) -> None:
    """A refused downgrade leaves no backup, and pushes out no older backup, however often it is tried."""
    before = {each.name: each.read_bytes() for each in path.parent.glob("talks.db.backup-*")}
    assert len(before) >= 2
    for _ in range(3):
        with pytest.raises(MigrationFailed, match=r"would be lost|schema 1\.\d") as caught:
            migrate(path, to="1.0")
        assert caught.value.backup is None
        assert "A copy made" not in str(caught.value)
    assert {each.name: each.read_bytes() for each in path.parent.glob("talks.db.backup-*")} == before


def test_the_log_says_why_an_older_copy_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An upgrade that removes an automatic backup because its own copy is the same names both in the log."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.map(str, ["a"], file_name="talk.txt")
    caplog.set_level("INFO", logger="checkpoint_store")
    migrate(store.path, to="1.4")
    name = f"{store.path}.backup-1.5-000"
    assert f"{name}1 is the same as {name}2: removed" in [record.getMessage() for record in caplog.records]


@pytest.mark.slow
def test_a_way_back_that_a_view_of_a_user_bars_names_the_way_out(path: Path) -> None:
    """SQLite drops no column beside a view that cannot be read: the call that the error names makes the way free."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE VIEW mine AS SELECT no_column FROM jobs")
    with pytest.raises(StoreDamaged, match=r"recover_store\("):
        migrate(path, to="1.4")
    assert migration_status(path).current == "1.5"
    assert recover_store(path).not_taken == ("view mine",)
    migrate(path, to="1.4")
    assert migration_status(path).current == "1.4"


@dataclass
class Page:
    """A chunk of which fingerprint rule 1 reads only the text."""

    text: str
    speaker: str


def of_objects(store: CheckpointStore) -> Job:
    """Pay for a chunk that is an object."""
    job = store.open_job("talk.txt", chunks=[Page("a", "x")])
    list(job.map(lambda page: page.text))
    return job


def with_a_costly_failure(store: CheckpointStore) -> Job:
    """Pay for a try that fails."""
    job = store.open_job("talk.txt", chunks=["a"])
    next(job.pending()).fail("no", cost=0.5)
    return job


def edited(store: CheckpointStore) -> Job:
    """Edit the first of two chunks that are not done, and pay for the second."""
    store.open_job("talk.txt", chunks=["a", "b"])
    job = store.open_job("talk.txt", chunks=["A", "b"], on_change="reuse")
    job.complete(1, "B")
    return job


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (of_objects, "does not identify a chunk by all fields of an object, and job {} has results of such chunks"),
        (with_a_costly_failure, "cannot say what a failed attempt cost, and job {} has such costs"),
        (
            edited,
            "cannot say which jobs share results, and job {} shares them with an earlier job of its file (on_change='reuse')",
        ),
    ],
)
def test_a_way_back_after_which_work_would_be_paid_for_twice_is_refused(
    tmp_path: Path, work: Callable[[CheckpointStore], Job], reason: str
) -> None:
    """A downgrade behind schema 1.3 is refused if results would not be found again or costs be lost; it names the job."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job_id = work(store).job_id
    with pytest.raises(MigrationFailed) as refused:
        migrate(store.path, to="1.2")
    assert refused.value.reason.startswith(f"schema 1.2 {reason.format(job_id)}; ")
    assert migration_status(store.path).current == "1.5"
    migrate(store.path, to="1.3")


@pytest.mark.slow
def test_a_refusal_counts_with_a_noun(tmp_path: Path) -> None:
    """A refused downgrade says "1 result was", not "1 results were", and names the schema that was asked for."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.txt", chunks=["a", "b"]).complete(0, "A")
        store.open_job("talk.txt", chunks=["a", "c"], on_change="reuse")
    with pytest.raises(MigrationFailed, match=r"schema 1\.1 cannot .*, and 1 result was carried over .*; it would"):
        migrate(store.path, to="1.1")
