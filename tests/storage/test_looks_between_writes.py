"""The look at a chunk before its try: it uses the connection that writes, and waits for nobody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from conftest import Opener

    from checkpoint_store import CheckpointStore


def test_a_look_waits_for_no_thread_that_writes(store: CheckpointStore) -> None:
    """Another connection answers while a commit is under way."""
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=2)
    storage.handles.record(job.job_id, {1: None}, "batch-1")
    with storage.database.writer.lock:
        assert storage.handles.look_at(job.job_id, 1) == (False, "batch-1")
    assert storage.handles.look_at(job.job_id, 1) == (False, "batch-1")


def test_a_look_opens_no_connection_that_writes(store: CheckpointStore) -> None:
    """Before anything was written, as after a fork, the connection that reads answers."""
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=2)
    with storage.database.writer.lock:
        storage.database.writer.disconnect()
    assert storage.handles.look_at(job.job_id, 1) == (False, None)
    assert storage.database.writer.connection is None


def test_a_look_leaves_no_transaction_behind(store: CheckpointStore) -> None:
    """The next write follows at once, also that of another connection, and the WAL can be copied."""
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=2)
    assert storage.handles.look_at(job.job_id, 0) == (False, None)
    with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    job.complete(0, "x")
    assert storage.handles.look_at(job.job_id, 0) == (True, None)


def test_with_a_rollback_journal_a_look_waits_for_another_process(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rollback journal, a look at a chunk waits until the commit of another process has ended."""
    monkeypatch.setattr("checkpoint_store.storage.connection.pragmas.journal_mode_for", lambda path: "truncate")
    store = open_store()
    storage = store._context.storage
    job = store.open_job("talk.srt", total_chunks=2)
    storage.handles.record(job.job_id, {1: None}, "batch-1")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        real = storage.database.reader.first_row

        def after_the_commit(statement: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
            other.execute("COMMIT")
            return real(statement, values)

        monkeypatch.setattr(storage.database.reader, "first_row", after_the_commit)
        assert storage.handles.look_at(job.job_id, 1) == (False, "batch-1")
        assert not other.in_transaction
