"""A read-only store keeps its connection from one read to the next, and never reads what is no longer there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, InvalidArgumentError
from checkpoint_store.storage.connection import read_only
from checkpoint_store.storage.connection.pragmas import UsedBy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

COMPLETES = program(__file__, "complete_chunk")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a job of three chunks, of which the first is complete."""
    made = tmp_path / "talks.db"
    with CheckpointStore(made, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=3).complete(0, {"cost": 0.5, "text": "zero"})
    return made


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An item for each connection that reads; whether the file was unused."""
    made: list[bool] = []
    real = read_only.connect_read_only

    def connect(path: Path, *, used_by: UsedBy) -> sqlite3.Connection:
        made.append(used_by is UsedBy.NOBODY)
        return real(path, used_by=used_by)

    monkeypatch.setattr(read_only, "connect_read_only", connect)
    return made


@pytest.fixture
def reading(path: Path) -> Iterator[CheckpointStore]:
    """The store, open for reading."""
    with CheckpointStore(path, read_only=True) as store:
        yield store


def test_all_reads_share_one_connection(path: Path, openings: list[bool]) -> None:
    """All reads of a store, its opening included, share a connection."""
    with CheckpointStore(path, read_only=True) as store:
        for job in store.jobs():
            assert job.progress().completed_chunks == 1
            assert [result["text"] for result in job.results(missing="skip")] == ["zero"]
        store.check()
    assert openings == [True]


def test_what_another_process_wrote_is_read(
    path: Path, reading: CheckpointStore, openings: list[bool], children: Children
) -> None:
    """Each time the file has changed, it is opened anew."""
    (job,) = reading.jobs()
    for index in (1, 2):
        children.run(COMPLETES, path, index)
        assert job.progress().completed_chunks == index + 1
        assert job.result(index) == index
    assert openings == [True] * 2


def test_a_file_that_took_its_place_is_read(path: Path, reading: CheckpointStore, tmp_path: Path) -> None:
    """A restored backup has the name of the store, and other content."""
    (job,) = reading.jobs()
    shutil.copyfile(path, tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        connection.execute("UPDATE jobs SET file_name = 'other.srt'")
    connection.close()
    os.replace(tmp_path / "copy.db", path)
    assert reading.job(job.job_id).file_name == "other.srt"


def test_a_store_that_is_opened_beside_it_in_this_process_keeps_its_locks(path: Path, reading: CheckpointStore) -> None:
    """A connection without locks and one with locks are never open at the same time: the kept one is closed first."""
    assert len(reading.jobs()) == 1
    database = reading._context.reading._database  # type: ignore[union-attr]
    assert database._idle is not None  # type: ignore[union-attr]
    with CheckpointStore(path, state_file=None) as store:
        assert database._idle is None  # type: ignore[union-attr]
        store.jobs()[0].complete(1, "one")
        reading.close()
        reading_once = f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('SELECT * FROM jobs'); c.close()"
        subprocess.run([sys.executable, "-c", reading_once], check=True)  # the last to close the file removes its WAL
        assert path.with_name("talks.db-wal").stat().st_size > 0
        store.jobs()[0].complete(2, "two")
    with CheckpointStore(path, read_only=True) as store:
        assert list(store.jobs()[0].items())[1:] == [(1, "one"), (2, "two")]


def test_a_store_that_somebody_works_on_is_opened_for_each_read(
    path: Path, reading: CheckpointStore, openings: list[bool]
) -> None:
    """A reader that stays would keep the last writer from copying the WAL into the file and removing it."""
    assert len(reading.jobs()) == 1
    with CheckpointStore(path, state_file=None) as store:
        store.jobs()[0].complete(1, "one")
        openings.clear()
        assert [reading.jobs()[0].progress().completed_chunks for _ in range(2)] == [2, 2]
        assert openings == [False] * len(openings)
        assert len(openings) >= 2
    assert not path.with_name("talks.db-wal").exists()


def test_a_read_within_a_read_has_a_connection_of_its_own(reading: CheckpointStore, tmp_path: Path) -> None:
    """An export reads page after page, and whoever takes the pages may read the store."""
    (job,) = reading.jobs()
    seen: list[int] = []
    context = reading._context
    assert context is not None
    context.reading.with_snapshot(job.job_id, lambda _: seen.append(job.progress().completed_chunks))
    assert seen == [1]
    assert job.export(tmp_path / "export.json").exists()


def test_fields_that_no_result_has_are_left_out_if_asked(reading: CheckpointStore) -> None:
    """`missing="skip"` adds up what there is, in one read; otherwise a misspelt field is an error."""
    (job,) = reading.jobs()
    assert job.totals("cost", "tokens", missing="skip") == {"cost": 0.5}
    with pytest.raises(InvalidArgumentError, match="tokens"):
        job.totals("cost", "tokens")
    with pytest.raises(InvalidArgumentError, match="missing"):
        job.totals("cost", missing="none")  # type: ignore[arg-type]


def test_who_looks_at_a_file_for_a_moment_does_not_keep_it_open(path: Path) -> None:
    """A restoring looks at the backup and at what it replaces, and names only those who have the store open."""
    looked = read_only.ReadOnlyDatabase(path, lock_timeout_seconds=1.0)
    assert looked.read(lambda connection: connection.execute("SELECT count(*) FROM jobs").fetchone()) == (1,)
    assert looked._idle is None


HOLD_OPEN = "import sqlite3, sys; sqlite3.connect('talks.db').execute('SELECT * FROM jobs'); print(flush=True); input()"


def test_a_reader_that_comes_first_after_a_fork_keeps_no_writer_out(path: Path) -> None:
    """All connections of a process share the index of the WAL: one that opens it for reading alone lets none write."""
    command, pipe = [sys.executable, "-c", HOLD_OPEN], subprocess.PIPE
    with CheckpointStore(path, state_file=None) as store, CheckpointStore(path, read_only=True) as reader:
        job = store.jobs()[0]
        job.complete(1, "one")
        with subprocess.Popen(command, cwd=path.parent, stdin=pipe, stdout=pipe, text=True) as other:
            assert other.stdout.readline() == "\n"  # type: ignore[union-attr]
            for connection in (store._context.storage.database.writer, store._context.storage.database.reader):
                connection.before_fork()
                connection.after_fork()
            reader._context.reading._database.read(lambda _: job.complete(2, "two"))
            other.communicate("\n")
        assert job.result(2) == "two"
