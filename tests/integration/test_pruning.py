"""``prune``: what nobody needs goes, only when it is asked for, and what goes is what the dry run said."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, InvalidArgumentError, StorageUnavailableError
from checkpoint_store.execution.store import maintenance

from .claims_tools import CLAIM
from .shard_tools import CHUNKS, NAME, clean, contents, rows

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

OLD = "2020-01-01T00:00:00.000Z"


def four_jobs(path: Path) -> list[str]:
    """Make a complete job, a superseded half-done one, the one that superseded it, and one that is half done.

    Returns the ids, the one opened last first.
    """
    with CheckpointStore(path) as store:
        store.map(clean, [f"first {text}" for text in CHUNKS], file_name="first.txt")
        half = store.open_job(NAME, chunks=CHUNKS, model="m-1")
        list(half.map(clean, only=range(5)))
        store.map(clean, CHUNKS, file_name=NAME, model="m-2", on_change="reuse", reuse_ignoring=["model"])
        left = store.open_job("left.txt", chunks=CHUNKS)
        list(left.map(clean, only=range(2)))
        return [job.job_id for job in store.jobs()]


def age(path: Path, *job_ids: str) -> None:
    """Let jobs and their attempts be old."""
    marks = ", ".join("?" * len(job_ids))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE jobs SET updated_at = ? WHERE job_id IN ({marks})", (OLD, *job_ids))
        change = f"UPDATE attempts SET started_at = ?, finished_at = ? WHERE job_id IN ({marks})"
        connection.execute(change, (OLD, OLD, *job_ids))


def files_of(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.parent.iterdir() if one.is_file()}


def test_a_dry_run_says_what_goes_and_writes_nothing(tmp_path: Path) -> None:
    """``prune`` without ``dry_run=False`` lists what would go and writes nothing, also on a read-only store."""
    path = tmp_path / "talks.db"
    left, second, half, first = four_jobs(path)
    before = files_of(path)
    with CheckpointStore(path, read_only=True) as store:
        report = store.prune(keep_last=1)
        assert report.jobs == (second, half, first)
        assert report.dry_run
        with pytest.raises(StorageUnavailableError):
            store.prune(keep_last=1, dry_run=False)
    assert files_of(path) == before
    assert left not in report.jobs


def test_a_dry_run_beside_a_writer_of_the_state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run passes over a state file that its writer has moved away just now."""
    shown = maintenance.job_shown_by

    def moved_after(path: Path) -> str | None:
        job_id = shown(path)
        path.unlink(missing_ok=True)
        return job_id

    with CheckpointStore(tmp_path / "talks.db") as store:
        store.map(clean, CHUNKS, file_name=NAME)
        assert store.state_file in store.prune(keep_last=0).files
        monkeypatch.setattr(maintenance, "job_shown_by", moved_after)
        assert store.state_file not in store.prune(keep_last=0).files


@pytest.mark.slow_variants
@pytest.mark.parametrize("asked", [{"keep_last": 2}, {"keep_last": 0}, {"older_than_days": 30}, {}], ids=str)
def test_what_goes_is_what_the_dry_run_said(tmp_path: Path, asked: dict[str, Any]) -> None:
    """Jobs, attempts, files and bytes, to the last one."""
    path = tmp_path / "talks.db"
    ids = four_jobs(path)
    age(path, *ids)
    for name in ("talks.db.corrupt-20200101T000000.000000Z", "talks.db.corrupt-20200101T000000.000000Z-wal"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    with CheckpointStore(path) as store:
        dry = store.prune(**asked)
        there = {job.job_id for job in store.jobs()}
        files = set(tmp_path.iterdir())
        attempts = rows(path, "SELECT count(*) FROM attempts")[0][0]
        wet = store.prune(**asked, dry_run=False)
        assert (wet.jobs, wet.attempts, wet.files, wet.bytes) == (dry.jobs, dry.attempts, dry.files, dry.bytes)
        assert there - {job.job_id for job in store.jobs()} == set(dry.jobs)
        assert set(dry.files) <= files
        assert not any(one.exists() for one in dry.files if ".backup-" not in one.name and one.suffix != ".json")
        assert attempts - rows(path, "SELECT count(*) FROM attempts")[0][0] == dry.attempts
        assert dry.bytes >= 2000
        assert store.check() == []
        again = store.prune(**asked)
        assert (again.jobs, again.attempts) == ((), 0)


@pytest.mark.slow
def test_the_jobs_opened_last_stay_and_so_does_what_is_left_to_do(tmp_path: Path) -> None:
    """A half-done job that nothing replaced never goes; a superseded one does, done or not."""
    path = tmp_path / "talks.db"
    left, second, half, first = four_jobs(path)
    with CheckpointStore(path) as store:
        assert store.prune(keep_last=2).jobs == (half, first)
        assert store.prune(keep_last=4).jobs == ()
        assert store.prune(keep_last=0, dry_run=False).jobs == (second, half, first)
        assert [job.job_id for job in store.jobs()] == [left]


@pytest.mark.slow
def test_age_and_number_together_let_a_job_go_only_where_both_do(tmp_path: Path) -> None:
    """What changed lately stays, however many came after it."""
    path = tmp_path / "talks.db"
    _, second, half, first = four_jobs(path)
    age(path, first, second)
    with CheckpointStore(path) as store:
        assert store.prune(older_than_days=30).jobs == (second, first)
        assert store.prune(older_than_days=30, keep_last=2).jobs == (first,)
        assert store.prune(older_than_days=0).jobs == (second, half, first)


@pytest.mark.slow
def test_money_is_counted_once_after_the_job_that_paid_is_gone(tmp_path: Path) -> None:
    """A result that a job carries stays carried, and a later job that takes it does not count it as its own."""
    path = tmp_path / "talks.db"
    left, second, half, _ = four_jobs(path)
    costs = "SELECT cost, carried FROM job_costs WHERE job_id = ?"
    before = rows(path, costs, second)
    with CheckpointStore(path) as store:
        total = store.job(second).totals("cost")
        age(path, half)
        assert store.prune(older_than_days=30, dry_run=False).jobs == (half,)
        assert store.job(second).totals("cost") == total == {"cost": 3.0}
        assert rows(path, costs, second) == before == [(1.75, 1.25)]
        third = store.open_job(NAME, chunks=CHUNKS, model="m-3", on_change="reuse", reuse_ignoring=["model"])
        assert third.totals("cost") == {"cost": 3.0}
        assert rows(path, costs, third.job_id) == [(0.0, 3.0)]
        payers = "SELECT source_job_id, count(*) FROM completed_chunks WHERE job_id = ? GROUP BY 1"
        assert dict(rows(path, payers, third.job_id)) == {second: 7, half: 3, left: 2}
        assert (store.job(second).superseded_by, store.check()) == (third.job_id, [])


def test_old_attempts_at_complete_chunks_go_and_no_other(tmp_path: Path) -> None:
    """What a failed try cost stays part of the money; a try at a chunk that is left says what comes next."""

    class PaidError(Exception):
        cost = 0.5

    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        job = store.open_job(NAME, chunks=CHUNKS)
        list(job.map(_raise(PaidError()), only=[0], max_attempts=1, retry_on=PaidError, wait=0, on_error="record"))
        list(job.map(clean, only=[0, 1], max_attempts=2))
        list(job.map(_raise(ValueError("bad")), only=[2], max_attempts=1, on_error="record"))
        age(path, job.job_id)
        kept = "SELECT chunk_index, outcome FROM attempts ORDER BY chunk_index, number"
        assert rows(path, kept) == [(0, "failed"), (0, "completed"), (1, "completed"), (2, "failed")]
        report = store.prune(older_than_days=1, dry_run=False)
        assert (report.jobs, report.attempts) == ((), 2)
        assert rows(path, kept) == [(0, "failed"), (2, "failed")]
        assert rows(path, "SELECT cost FROM job_costs") == [(1.0,)]
        assert [failed.chunk_index for failed in job.failed_chunks()] == [2]


def _raise(error: Exception) -> Any:
    def work(_: object) -> None:
        raise error

    return work


@pytest.mark.slow
def test_a_job_with_work_that_a_service_holds_stays(tmp_path: Path) -> None:
    """The handle of a batch that is paid for is the only way to its results; so is a mark to do a chunk again."""
    path = tmp_path / "talks.db"
    _, second, half, first = four_jobs(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        put = "INSERT INTO chunk_handles (job_id, chunk_index, handle, recorded_at) VALUES (?, ?, 'batch', ?)"
        connection.executemany(put, [(half, 9, OLD), (first, 3, OLD)])  # chunk 3 is complete
        connection.execute("INSERT INTO chunk_redos VALUES (?, 1, ?, 1)", (second, OLD))
    with CheckpointStore(path) as store:
        assert store.prune(keep_last=0).jobs == (first,)


def test_a_job_that_is_worked_on_stays(tmp_path: Path, children: Children) -> None:
    """A job that a runner works on stays, also where it was superseded meanwhile."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.open_job("talk", total_chunks=3)
    worker = children.start(CLAIM, "talk", 1, "waits")
    assert children.next_line(worker) == "0"
    with CheckpointStore(path) as store:
        job = store.job("talk")
        store.open_job("talk", total_chunks=4)
        assert job.superseded_by is not None
        assert store.prune(keep_last=0, dry_run=False).jobs == ()
        children.finish(worker, "go\n")
        assert store.prune(keep_last=0).jobs == (job.job_id,)


def test_files_that_nothing_needs_go_and_no_others(tmp_path: Path) -> None:
    """Moved aside, and surplus backups; those of a store with a longer name, and what is no file of ours, stay."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        store.map(clean, CHUNKS, file_name=NAME)
    for one in tmp_path.glob("*.backup-*"):
        one.unlink()
    moment, other = "20200101T000000.000000Z", time.strftime("%Y%m%dT%H%M%S.000000Z", time.gmtime())
    going = [
        "talks.db.backup-1.0-0001",
        "talks.db.backup-1.3-0002",
        f"talks.db.backup-1.3-0007.corrupt-{moment}",
        f"talks.db.corrupt-{moment}",
        f"talks.db.corrupt-{moment}-shm",
        f"talks.db.replaced-{moment}",
        f"talks.json.corrupt-{moment}",
        f"talks.bak.corrupt-{moment}",
    ]
    young = f"talks.db.corrupt-{other}"
    staying = [
        "talks.db.backup-1.5-0003",
        "talks.db.backup-1.5-0004",
        f"talks.db2.corrupt-{moment}",
        f"mytalks.db.corrupt-{moment}",
        "talks.db.corrupt-by-hand",
        f"talks.db.corrupt-{moment}.txt",
    ]
    for name in (*going, *staying, young):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "talks.db.corrupt-20200101T000001.000000Z").symlink_to(tmp_path / "talks.db2")
    with CheckpointStore(path, read_only=True) as store:
        assert sorted(one.name for one in store.prune(older_than_days=20).files) == sorted(going)
        report = store.prune()
        assert sorted(one.name for one in report.files) == sorted([*going, young])
        assert report.bytes == 10 * len(report.files)
    with CheckpointStore(path) as store:
        store.prune(dry_run=False)
        assert not any((tmp_path / name).exists() for name in (*going, young))
        assert all((tmp_path / name).exists() for name in staying)
        assert len(store.jobs()) == 1


@pytest.mark.slow
def test_a_state_file_that_shows_a_pruned_job_goes_and_a_backup_is_made(tmp_path: Path) -> None:
    """Nothing brings the job back: no state file, no backup, no merge of another machine's store."""
    path, copy = tmp_path / "talks.db", tmp_path / "copy.db"
    with CheckpointStore(path) as store:
        store.map(clean, CHUNKS, file_name=NAME)
        store.backup(copy)
        report = store.prune(keep_last=0, dry_run=False)
        assert tmp_path / "talks.json" in report.files
        assert not (tmp_path / "talks.json").exists()
        store.merge(copy)
        assert store.jobs() == []
    with CheckpointStore(path) as store:
        assert store.jobs() == []
    (backup,) = tmp_path.glob("talks.db.backup-*")
    assert rows(backup, "SELECT count(*) FROM jobs") == [(0,)]
    assert all(b"CHUNK 7" not in content for name, content in files_of(path).items() if name != "copy.db")


def test_a_killed_prune_is_made_again(tmp_path: Path, children: Children) -> None:
    """Killed after its transaction, the jobs are gone; what is left of the files goes with the next open and prune."""
    path = tmp_path / "talks.db"
    left, *_ = four_jobs(path)
    children.run(program(__file__, "killed_prune"), code=-signal.SIGKILL)
    with CheckpointStore(path) as store:
        assert [job.job_id for job in store.jobs()] == [left]
        assert store.check() == []
        store.prune(keep_last=1, dry_run=False)
    assert contents(path)["results"] == [
        ("left.txt", index, result, fingerprint, 1)
        for _, index, result, fingerprint, _ in contents(path)["results"]
    ]  # fmt: skip


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep_last", -1),
        ("keep_last", 1.0),
        ("keep_last", True),
        ("keep_last", "3"),
        ("older_than_days", -1),
        ("older_than_days", float("nan")),
        ("older_than_days", float("inf")),
        ("older_than_days", True),
        ("older_than_days", "30"),
        ("older_than_days", 1e9),
    ],
)
def test_a_mistaken_argument_deletes_nothing(tmp_path: Path, name: str, value: Any) -> None:
    """The error names it."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.map(clean, CHUNKS, file_name=NAME)
        with pytest.raises(InvalidArgumentError, match=name):
            store.prune(**{name: value}, dry_run=False)
        assert len(store.jobs()) == 1
