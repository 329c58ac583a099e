"""The connections of one store: what an interrupt of their clean-up leaves, and who waits for whom."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StorageUnavailableError
from checkpoint_store.storage.connection import pragmas

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore

_ROW = "INSERT INTO deleted_jobs VALUES ('half', '')"


class Interrupted(sqlite3.Connection):
    """A connection whose next rollback, or next close, is cut short."""

    cut_short = ""

    def rollback(self) -> None:
        """Roll back, unless an interrupt comes first."""
        if Interrupted.cut_short == "before the rollback":
            Interrupted.cut_short = ""
            raise KeyboardInterrupt
        super().rollback()
        if Interrupted.cut_short == "after the rollback":
            Interrupted.cut_short = ""
            raise KeyboardInterrupt


@pytest.mark.slow_variants
@pytest.mark.parametrize("call", ["read", "read_apart", "write"])
@pytest.mark.parametrize("moment", ["before the rollback", "after the rollback"])
def test_a_second_interrupt_during_the_clean_up_leaves_a_store_that_works(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    """The second interrupt is raised, nothing of the interrupted transaction is stored, and the next call works."""
    real = sqlite3.connect
    monkeypatch.setattr(
        pragmas.sqlite3, "connect", lambda *words, **options: real(*words, **options, factory=Interrupted)
    )
    store = open_store(state_file=None)
    job = store.open_job("talk.srt", total_chunks=2)
    database: Any = store._context.storage.database

    def interrupted(connection: sqlite3.Connection) -> None:
        if call == "write":
            connection.execute(_ROW)
        monkeypatch.setattr(Interrupted, "cut_short", moment)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        getattr(database, call)(interrupted)
    assert Interrupted.cut_short == ""
    assert getattr(database, call)(
        lambda connection: connection.execute("SELECT count(*) FROM deleted_jobs").fetchone()
    ) == (0,)
    job.complete(0, "after")
    assert (list(job.items()), store.check()) == ([(0, "after")], [])


def test_reads_do_not_wait_for_an_export(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an export waits for the disk, another thread is told the progress and gets results."""
    job = store.open_job("talk.srt", total_chunks=2)
    job.complete(0, "x")
    reached, go, answers = threading.Event(), threading.Event(), []
    real = os.fsync

    def slow(descriptor: int) -> None:
        reached.set()
        assert go.wait(120)
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", slow)
        exporting = threading.Thread(target=job.export)
        exporting.start()
        assert reached.wait(60)
        asking = threading.Thread(target=lambda: answers.append((job.progress().completed_chunks, job.result(0))))
        asking.start()
        asking.join(60)
        answered = list(answers)
        go.set()
        exporting.join()
        asking.join()
    assert answered == [(1, "x")]


def test_an_export_is_one_snapshot_while_others_write(open_store: Opener) -> None:
    """What is completed after an export has begun is not in it, whichever connection wrote it."""
    store = open_store(state_file=None)
    job = store.open_job("talk.srt", total_chunks=50)
    job.complete(0, "x")
    database: Any = store._context.storage.database

    def work(connection: sqlite3.Connection) -> tuple[int, int]:
        count = "SELECT count(*) FROM completed_chunks"
        (before,) = connection.execute(count).fetchone()
        job.complete(1, "y")
        return before, connection.execute(count).fetchone()[0]

    assert database.read_apart(work) == (1, 1)
    assert job.progress().completed_chunks == 2


class CutShort:
    """A lock whose holder does not let go before an interrupt comes."""

    def __enter__(self) -> None:
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        """No test calls this."""

    def _is_owned(self) -> bool:
        return False


def test_a_close_that_was_interrupted_can_be_called_again(store: CheckpointStore) -> None:
    """An interrupt while closing waits for a read leaves the rest to the next close; then nothing reopens the store."""
    store.open_job("talk.srt", total_chunks=2).complete(0, "x")
    database: Any = store._context.storage.database
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.reader, "lock", CutShort())
        with pytest.raises(KeyboardInterrupt):
            database.close()
    assert not database.closed
    database.close()
    assert database.closed
    assert [one.connection for one in (database.reader, database._long_reader, database.writer)] == [None, None, None]
    with pytest.raises(StorageUnavailableError, match="was closed"):
        database.read(lambda _: None)
