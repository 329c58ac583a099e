"""With a rollback journal, the writer of another process keeps readers out, too: every call waits for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection import busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("checkpoint_store.storage.connection.pragmas.journal_mode_for", lambda path: "truncate")
    return tmp_path / "talks.db"


class OtherWriter:
    """Another connection that locks the file for itself whenever it can, until a call waits for it."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self.waits = 0

    def lock(self) -> None:
        with suppress(sqlite3.OperationalError):  # locked already; or a transaction of the store is under way
            self._connection.execute("BEGIN EXCLUSIVE")

    def end(self, _seconds: float = 0.0) -> None:
        self.waits += 1
        with suppress(sqlite3.OperationalError):
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def other(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtherWriter]:
    CheckpointStore(path).close()
    with closing(OtherWriter(path)) as other:
        patiently = busy.patiently

        def then_lock(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            value = patiently(call, *arguments, **options)
            other.lock()
            return value

        monkeypatch.setattr(busy, "patiently", then_lock)
        monkeypatch.setattr(busy.time, "sleep", other.end)
        yield other


def test_a_store_that_another_process_writes_to_between_any_two_calls_does_all_its_work(
    path: Path, other: OtherWriter, tmp_path: Path
) -> None:
    """Opening, claiming, completing, failing, reading, exporting, backing up and deleting wait for another writer."""
    other.lock()
    with CheckpointStore(path, lock_timeout_seconds=1.0) as store:
        job = store.open_job("talk.srt", total_chunks=6)
        chunks = iter(job.pending())
        next(chunks).complete("x" * 200_000)
        next(chunks).fail("no answer")
        job.complete_many([(4, "four"), (5, "five")])
        list(job.map(str))
        assert len(list(job.results())) == 6
        assert job.remaining() == []
        assert store.check() == []
        (tmp_path / "backups").mkdir()
        job.export(tmp_path / "export.json")
        store.backup(tmp_path / "backups" / "talks.db")
        with CheckpointStore(path, read_only=True, lock_timeout_seconds=1.0) as reading:
            assert reading.latest_job() is not None
        store.delete_job(job.job_id)
    assert other.waits > 20


def test_a_completion_without_its_attempt_waits_for_another_writer(path: Path, other: OtherWriter) -> None:
    """A durable completion raises no error if another process writes before its rows were counted."""
    with CheckpointStore(path, lock_timeout_seconds=1.0) as store:
        chunk = next(iter(store.open_job("talk.srt", total_chunks=2).pending()))
        other.end()
        with closing(sqlite3.connect(path)) as outside, outside:
            outside.execute("DELETE FROM attempts")
        chunk.complete("paid for")
        assert store.job("talk.srt").result(0) == "paid for"
