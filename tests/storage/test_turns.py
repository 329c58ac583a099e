"""Several processes that write all the time take turns, also where each write takes long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.storage.connection import busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    """A clock that a statement, or a wait, sets forward; another writer ends at the first wait."""

    def __init__(self, other: sqlite3.Connection) -> None:
        self._other = other
        self.now = 0.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)
        self._other.rollback()

    def work(self, seconds: float) -> float:
        self.now += seconds
        return seconds


class Writer:
    """A writer whose statements take as long as they are told to."""

    def __init__(self, path: Path, clock: Clock, connection: sqlite3.Connection) -> None:
        self._turns = busy.Turns(path)
        self._connection = connection
        connection.create_function("work", 1, clock.work)

    def write(self, seconds: float) -> None:
        assert self._turns.execute(self._connection, "INSERT INTO t SELECT work(?)", [seconds], patience_seconds=1) == 1

    def transact(self, seconds: float) -> None:
        for statement, values in (("BEGIN IMMEDIATE", []), ("INSERT INTO t SELECT work(?)", [seconds]), ("COMMIT", [])):
            self._turns.execute(self._connection, statement, values, patience_seconds=1)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "talks.db", timeout=0, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (seconds)")
        yield other


@pytest.fixture
def clock(other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(other)
    monkeypatch.setattr(busy, "time", clock)
    return clock


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[Writer]:
    with closing(sqlite3.connect(tmp_path / "talks.db", timeout=0, isolation_level=None)) as connection:
        yield Writer(tmp_path / "talks.db", clock, connection)


def test_a_writer_that_met_another_one_leaves_the_file_free_for_as_long_as_its_last_write_took(
    writer: Writer, clock: Clock, other: sqlite3.Connection
) -> None:
    """After a long write, a process that met another writer waits before it writes again: others get their turn."""
    other.execute("BEGIN IMMEDIATE")
    writer.write(0.01)
    clock.waits.clear()
    writer.write(0.02)
    writer.transact(0.0)
    assert clock.waits == pytest.approx([0.01, 0.02])


def test_the_time_between_two_writes_counts_and_short_writes_follow_at_once(
    writer: Writer, clock: Clock, other: sqlite3.Connection
) -> None:
    """A process that did other work since its last write, or whose writes are short, waits for nobody."""
    other.execute("BEGIN IMMEDIATE")
    writer.transact(0.01)
    clock.waits.clear()
    clock.now += 0.011
    writer.write(0.001)
    writer.write(0.001)
    assert clock.waits == []


def test_a_writer_that_meets_nobody_never_waits(writer: Writer, clock: Clock, other: sqlite3.Connection) -> None:
    """A process that writes alone does not wait; nor does it once the other writer was not met for some writes."""
    for _ in range(3):
        writer.write(1.0)
    assert clock.waits == []
    other.execute("BEGIN IMMEDIATE")
    for _ in range(40):
        writer.write(1.0)
    clock.waits.clear()
    writer.write(1.0)
    writer.write(1.0)
    assert clock.waits == []


def test_after_a_commit_that_met_a_reader_the_writer_does_not_wait_for_the_time_before_its_transaction(
    writer: Writer, clock: Clock, other: sqlite3.Connection
) -> None:
    """With a rollback journal, a commit waits for readers. The hours since the store was opened are no write."""
    clock.now = 7200.0
    other.execute("BEGIN")
    other.execute("SELECT * FROM t").fetchall()
    writer.transact(0.0)
    assert len(clock.waits) == 1
    writer.write(0.0)
    assert len(clock.waits) == 1
