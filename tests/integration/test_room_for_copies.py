"""How many copies of a running job there are, and how many bytes they take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.backup import RollingBackup
from checkpoint_store.storage.files.siblings import Siblings

if TYPE_CHECKING:
    from collections.abc import Callable

_RESULT = "x" * 4000


@pytest.fixture
def passing_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes on by so many seconds when it is told to."""
    real, passed = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])

    def pass_seconds(seconds: float) -> None:
        passed[0] += seconds

    return pass_seconds


def _sizes_of_copies(path: Path, wait: Callable[[float], None], chunks: int, **options: Any) -> list[int]:
    """Work on a job at 10 s a chunk, and leave it; return the sizes of all automatic backups that there were."""
    found: dict[str, int] = {}
    with CheckpointStore(path, durability="process", **options) as store:
        job = store.open_job("talk.srt", total_chunks=chunks + 1)
        for index in range(chunks):
            wait(10.0)
            job.complete(index, _RESULT)
            found |= {copy.name: copy.stat().st_size for copy in Siblings(path).backups()}
    return list(found.values())


@pytest.mark.slow
def test_a_state_file_spares_the_copies_of_a_growing_store(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """A copy soon after the beginning has the plan; the results of the running job are in the state file."""
    assert len(_sizes_of_copies(tmp_path / "talks.db", passing_time, 120)) == 1


def test_a_growing_store_is_copied_where_no_state_file_follows_it(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """Each copy is several times as large as the one before it."""
    sizes = _sizes_of_copies(tmp_path / "talks.db", passing_time, 120, state_file=None)
    assert len(sizes) == 2
    assert sizes[1] >= 3 * sizes[0]


@pytest.mark.slow
def test_a_growing_store_is_copied_where_somebody_carries_the_copies_away(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """The machine may be lost, with its state file."""
    told: list[Path] = []
    sizes = _sizes_of_copies(tmp_path / "talks.db", passing_time, 120, on_backup=told.append)
    assert len(sizes) == len(told) == 2
    assert all(path.exists() for path in told)


def test_the_copy_at_the_end_replaces_the_one_made_while_the_job_ran(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """A backup of an earlier job stays."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store, store.open_job("first.srt", total_chunks=1) as job:
        job.complete(0, _RESULT)
    earlier = Siblings(path).backups()
    with CheckpointStore(path) as store, store.open_job("talk.srt", total_chunks=10) as job:
        for index in range(10):
            passing_time(10.0)
            job.complete(index, _RESULT)
        during = Siblings(path).backups()
    assert len(earlier) == 1
    assert len(during) == 2
    after = Siblings(path).backups()
    assert after[1:] == earlier
    assert after[0] not in during


def test_a_copy_with_a_damaged_result_replaces_no_sound_one(tmp_path: Path) -> None:
    """A result is damaged while the job runs: the copy that was made before has it, and stays."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, _RESULT)
        database = store._context.storage.job_changes._database
        rolling = RollingBackup(database, tmp_path / "talks.lock", follows_growth=False)
        sound = rolling.make(in_between=True)
        database.write(lambda connection: connection.execute("UPDATE chunk_results SET result = '\"y\"'"))
        job.complete(1, _RESULT)
        damaged = rolling.make()
        assert Siblings(store.path).backups() == [damaged, sound]


def test_the_copy_at_the_end_stays_where_all_copies_were_removed_meanwhile(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """Deleting a job removes every backup, and the next one has a name that was used before."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store:
        other = store.open_job("first.srt", total_chunks=1)
        with store.open_job("talk.srt", total_chunks=10) as job:
            for index in range(10):
                passing_time(10.0)
                job.complete(index, _RESULT)
            assert len(Siblings(path).backups()) == 1
            store.delete_job(other.job_id)
    assert len(Siblings(path).backups()) == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process writes")
def test_a_job_writes_a_bounded_number_of_bytes_for_each_byte_of_its_results(
    tmp_path: Path, passing_time: Callable[[float], None]
) -> None:
    """400 chunks of 4 KB, 1.5 s apart, with the end of the job: all files together."""

    def written() -> int:
        line = next(line for line in Path("/proc/self/io").read_text("ascii").splitlines() if "wchar" in line)
        return int(line.split()[1])

    before = written()
    with (
        CheckpointStore(tmp_path / "talks.db", durability="process") as store,
        store.open_job("talk.srt", total_chunks=400) as job,
    ):
        for chunk in job.pending():
            passing_time(1.5)
            chunk.complete(_RESULT)
    assert written() - before <= 9 * 400 * len(_RESULT)
