"""A job's row with a value that cannot be read: the value comes from a copy, and nothing else of the job is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered, recover_store

from .recovery_tools import _open_recovered, _overwrite

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store import Job

GIVEN = {
    "a blob for a name": "file_name = x'ff00fe'",
    "a title that is no UTF-8": "video_title = CAST(x'74f5' AS TEXT)",
    "a blob for a model": "model = x'00ff'",
    "a torn config": "config = '{\"chunk_size\": 20'",
    "a config without an end": "config = '{\"a\":' || replace(hex(zeroblob(100000)), '00', '[') || '1}'",
    "metadata that are a list": "metadata = '[1]'",
    "a number of chunks that no job has": "total_chunks = 9223372036854775807",
    "half a chunk": "total_chunks = 3.5",
    "fewer chunks than are completed": "total_chunks = 1",
}
"""The columns that the caller gave, and that only a copy has."""
KNOWN_OTHERWISE = {
    "the year 99999": "updated_at = '99999-01-01T00:00:00+00:00'",
    "no month": "started_at = '2026-1x-27T00:00:00Z'",
    "a word for a time": "stretch_started_at = 'yesterday'",
    "a word for a rule": "fingerprint_rule = 'abc'",
    "a status that there is not": "status = 'runming'",
    "a word for a count": "completed_count = 'a'",
    "more completed than there are": "completed_count = 9",
}
"""The columns that nobody misses, or that follow from the chunks."""
SETTINGS: dict[str, Any] = {"video_title": "A talk", "model": "m", "config": {"chunk_size": 2000}}


def _open(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", chunks=["a", "b", "c"], metadata={"owner": "Ann"}, **SETTINGS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of two jobs, the second one complete, and its copies."""
    folder = tmp_path_factory.mktemp("made")
    with CheckpointStore(folder / "talks.db") as store:
        store.open_job("other.srt", total_chunks=2).complete(0, {"text": "o"})
        job = _open(store)
        for chunk in job.pending():
            chunk.complete({"text": chunk.data})
        job.finish()
    assert list(folder.glob("talks.db.backup-*"))
    return folder


def _spoilt(made: Path, folder: Path, change: str, *, copies: bool) -> Path:
    shutil.copytree(made, folder)
    path = folder / "talks.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(f"UPDATE jobs SET {change} WHERE file_name = 'talk.srt'").rowcount == 1
    for copy in folder.iterdir():
        if not copies and copy != path:
            copy.unlink()
    return path


def _assert_as_it_was(path: Path) -> None:
    with CheckpointStore(path) as store:
        assert store.check() == []
        first, other = store.job("talk.srt"), store.job("other.srt")
        assert dict(first.items()) == {0: {"text": "a"}, 1: {"text": "b"}, 2: {"text": "c"}}
        assert dict(other.items()) == {0: {"text": "o"}}
        assert first.status == "completed"
        assert _open(store).job_id == first.job_id
        assert first.state().video_title == SETTINGS["video_title"]
        assert first.metadata == {"owner": "Ann"}


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", [*GIVEN.values(), *KNOWN_OTHERWISE.values()], ids=[*GIVEN, *KNOWN_OTHERWISE])
def test_a_row_that_does_not_read_comes_back_at_opening(made: Path, tmp_path: Path, change: str) -> None:
    """Opening the store puts back what a copy has of the row, and says so; the job goes on with its plan as it was."""
    path = _spoilt(made, tmp_path / "spoilt", change, copies=True)
    with pytest.warns(StoreRecovered, match=r"3 chunks back"):
        CheckpointStore(path).close()
    _assert_as_it_was(path)


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", KNOWN_OTHERWISE.values(), ids=KNOWN_OTHERWISE)
def test_what_the_chunks_tell_comes_back_without_a_copy(made: Path, tmp_path: Path, change: str) -> None:
    """A time, a count or a status that cannot be read costs nothing that was paid for, and stops nobody."""
    path = _spoilt(made, tmp_path / "spoilt", change, copies=False)
    with pytest.warns(StoreRecovered):
        CheckpointStore(path).close()
    _assert_as_it_was(path)


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", GIVEN.values(), ids=GIVEN)
def test_what_no_copy_has_is_named_and_costs_no_result(made: Path, tmp_path: Path, change: str) -> None:
    """What was given and is in no copy stops the opening by its name; who accepts that has every result all the same."""
    path = _spoilt(made, tmp_path / "spoilt", change, copies=False)
    column = change.partition(" ")[0]
    for recovers in (CheckpointStore, recover_store):
        with pytest.raises(StoreDamaged, match=f"its {column} is lost"):
            recovers(path)
    recover_store(path, accept_loss=True)
    with CheckpointStore(path) as store:
        assert store.check() == []
        assert sorted(result["text"] for job in store.jobs() for _, result in job.items()) == ["a", "b", "c", "o"]


@pytest.mark.slow
def test_the_newest_row_stays_but_for_what_does_not_read(made: Path, tmp_path: Path) -> None:
    """A recovery takes only the unreadable value of a row from an older copy, and keeps what happened since."""
    shutil.copytree(made, tmp_path / "later")
    path = tmp_path / "later" / "talks.db"
    older = {backup: backup.read_bytes() for backup in path.parent.glob("talks.db.backup-*")}
    with CheckpointStore(path, state_file=None) as store:
        job = store.job("other.srt")
        job.complete(1, {"text": "p"})
        job.set_metadata({"owner": "Bob"})
    for backup in path.parent.glob("talks.db.backup-*"):
        backup.unlink()
    for backup, content in older.items():
        backup.write_bytes(content)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE jobs SET model = x'00ff' WHERE file_name = 'other.srt'")
    with pytest.warns(StoreRecovered):
        CheckpointStore(path, state_file=None).close()
    with CheckpointStore(path, state_file=None) as store:
        job = store.job("other.srt")
        assert (job.metadata, dict(job.items())) == ({"owner": "Bob"}, {0: {"text": "o"}, 1: {"text": "p"}})


@pytest.mark.slow_variants
@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("flipped", [1, 128], ids=["another letter", "no UTF-8"])
def test_a_job_whose_id_was_spoilt_comes_back_under_its_id(
    made: Path, tmp_path: Path, flipped: int, *, copies: bool
) -> None:
    """A flipped bit in the id of a job's row costs no result and makes up no job: index and chunks have the id."""
    folder = tmp_path / "spoilt"
    shutil.copytree(made, folder)
    path = folder / "talks.db"
    with CheckpointStore(path, read_only=True) as store:
        before = {job.job_id: dict(job.items()) for job in store.jobs()}
    for copy in () if copies else [*folder.glob("talks.db.backup-*"), *folder.glob("talks.[jb]*")]:
        copy.unlink()
    was = next(iter(before)).encode()
    _overwrite(path, "jobs", was, was[:4] + bytes([was[4] ^ flipped]) + was[5:])
    with _open_recovered(path) as store:
        assert {job.job_id: dict(job.items()) for job in store.jobs()} == before
        assert store.check() == []
