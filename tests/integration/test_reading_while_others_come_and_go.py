"""A read-only store is read at every moment in which another process opens or closes the file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreBusy
from checkpoint_store.storage.connection import read_only
from checkpoint_store.storage.connection.openings import openings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a job of three chunks, of which the first is complete."""
    made = tmp_path / "talks.db"
    with CheckpointStore(made, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=3).complete(0, "zero")
    return made


@contextmanager
def _writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A program that has the file open, with a log and its index beside it."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM completed_chunks").fetchone() == (1,)
        yield connection


def _before_each_connection(monkeypatch: pytest.MonkeyPatch, does: Callable[[], None]) -> None:
    real = read_only.connect_read_only

    def connect(path: Path, **how: Any) -> sqlite3.Connection:
        does()
        return real(path, **how)

    monkeypatch.setattr(read_only, "connect_read_only", connect)


def test_a_writer_may_end_between_the_look_at_the_files_and_the_opening(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows a run reads its last state, and no error, when the run ends."""
    with CheckpointStore(path, read_only=True) as reading, _writer(path) as other:
        _before_each_connection(monkeypatch, other.close)
        assert reading.job("talk.srt").progress().completed_chunks == 1


def _not_ready() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorcode = sqlite3.SQLITE_READONLY_RECOVERY
    return error


def test_a_writer_may_just_be_opening_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading waits until the writer's index of the log is ready."""
    errors = [_not_ready(), _not_ready()]

    def fail_twice() -> None:
        if errors:
            raise errors.pop()

    with CheckpointStore(path, read_only=True) as reading, _writer(path):
        _before_each_connection(monkeypatch, fail_twice)
        assert reading.job("talk.srt").progress().completed_chunks == 1
    assert errors == []


def test_a_writer_that_never_gets_ready_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading waits no longer than ``lock_timeout_seconds``."""

    def fail() -> None:
        raise _not_ready()

    with CheckpointStore(path, read_only=True, lock_timeout_seconds=0.05) as reading, _writer(path):
        _before_each_connection(monkeypatch, fail)
        with pytest.raises(StoreBusy):
            reading.jobs()


def test_a_store_of_this_process_may_just_be_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only open waits for the moment in which its own process closes the store."""
    file_keys = [openings.enter(path)]
    pause = time.sleep

    def leave(seconds: float) -> None:
        pause(seconds)
        if file_keys:
            openings.leave(file_keys.pop())

    monkeypatch.setattr(read_only.time, "sleep", leave)
    with CheckpointStore(path, read_only=True) as reading:
        assert reading.job("talk.srt").progress().completed_chunks == 1
    assert file_keys == []


def test_a_writer_that_ends_may_be_about_to_remove_its_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that meets a WAL whose index was just removed waits for the moment in which the WAL goes, too."""
    log, pause = path.with_name("talks.db-wal"), time.sleep
    with _writer(path) as other:
        other.execute("UPDATE jobs SET video_title = 'another'")
        other.commit()
        content = log.read_bytes()
    log.write_bytes(content)

    def remove(seconds: float) -> None:
        pause(seconds)
        log.unlink(missing_ok=True)

    monkeypatch.setattr(read_only.time, "sleep", remove)
    with CheckpointStore(path, read_only=True) as reading:
        assert reading.job("talk.srt").progress().completed_chunks == 1
