"""What docs/neighbours.md says of other tools beside a running job, tried with each tool."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, StoreRecovered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children

slow = pytest.mark.slow  # the tools are in the extra dev
QUERY = "SELECT chunk_index FROM completed_chunks"


class AtWork:
    """A job that goes on in another process when it is told to."""

    def __init__(self, children: Children, folder: Path, lock_timeout_seconds: float = 10.0) -> None:
        self._children, self.path, self.done = children, folder / "talk.db", 0
        self._process = children.start(program(__file__, "at_work"), lock_timeout_seconds)

    def said_after(self) -> str:
        """Tell it to complete a chunk, and return what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._children.next_line(self._process)

    def goes_on(self) -> None:
        """Let it complete the next chunk."""
        assert self.said_after() == str(self.done)
        self.done += 1

    def ends(self) -> None:
        """Let it end, and look at the store."""
        self._children.finish(self._process)
        with CheckpointStore(self.path) as store:
            assert (store.recovery, store.check()) == (None, [])
            assert store.job("talk.txt").progress().completed_chunks == self.done


@pytest.fixture
def job(children: Children, tmp_path: Path) -> Iterator[AtWork]:
    """A running job with three chunks completed; in the end it is whole."""
    running = AtWork(children, tmp_path)
    for _ in range(3):
        running.goes_on()
    yield running
    running.goes_on()
    running.ends()


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the page shows it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


def with_pandas(path: Path) -> int:
    """Read with pandas."""
    import pandas as pd

    with read_only(path) as connection:
        return len(pd.read_sql_query(QUERY, connection))


def with_polars(path: Path) -> int:
    """Read with polars."""
    import polars as pl

    with read_only(path) as connection:
        return pl.read_database(QUERY, connection).height


def with_sqlite_utils(path: Path) -> int:
    """Read with the command of sqlite-utils."""
    argv = [sys.executable, "-m", "sqlite_utils", "query", str(path), QUERY, "--nl"]
    return len(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines())


@contextmanager
def duckdb_with(path: Path) -> Iterator[Any]:
    """DuckDB with the store attached read-only; its extension is a package here, where nothing can be downloaded."""
    import duckdb
    import duckdb_extension_sqlite_scanner

    folder = Path(duckdb_extension_sqlite_scanner.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{folder / 'sqlite_scanner.duckdb_extension'}'")
        connection.execute(f"ATTACH '{path}' AS talk (TYPE sqlite, READ_ONLY)")
        yield connection


def with_duckdb(path: Path) -> int:
    """Read a table and a result's field with DuckDB."""
    with duckdb_with(path) as connection:
        priced = "SELECT json_extract(result, '$.cost')::DOUBLE FROM talk.chunk_results"
        assert {cost for (cost,) in connection.execute(priced).fetchall()} == {0.5}
        return len(connection.execute("SELECT chunk_index FROM talk.completed_chunks").fetchall())


@slow
@pytest.mark.parametrize("count", [with_pandas, with_polars, with_sqlite_utils, with_duckdb])
def test_reading_beside_a_running_job_is_fine(job: AtWork, count: Callable[[Path], int]) -> None:
    """Each tool sees what was completed a moment ago, and the job goes on."""
    assert count(job.path) == job.done
    job.goes_on()
    assert count(job.path) == job.done


@slow
def test_views_by_duckdb(job: AtWork) -> None:
    """DuckDB counts the rows of a table by its name for rows, and rewrites views: SQLite is to run these itself."""
    with duckdb_with(job.path) as connection:
        found = connection.execute("SELECT * FROM sqlite_query('talk', 'SELECT cost FROM job_costs')").fetchall()
        assert [float(cost) for (cost,) in found] == [0.5 * job.done]
        ((count,),) = connection.execute(
            "SELECT * FROM sqlite_query('talk', 'SELECT count(*) AS n FROM completed_chunks')"
        ).fetchall()
        assert int(count) == job.done


@pytest.mark.slow
def test_a_reader_that_stays_open_holds_nobody_up(job: AtWork) -> None:
    """A connection that has begun to read sees what was there, however much the job writes; the log grows meanwhile."""
    with read_only(job.path) as connection:
        connection.execute("BEGIN")
        assert len(connection.execute(QUERY).fetchall()) == 3
        for _ in range(100):
            job.goes_on()
        assert len(connection.execute(QUERY).fetchall()) == 3
        assert job.path.with_name("talk.db-wal").stat().st_size > 8 * 2**20


def test_a_writer_holds_the_job_up(children: Children, tmp_path: Path) -> None:
    """A tool that has begun to write makes each completion wait, and raise StoreBusy; nothing is lost by it."""
    job = AtWork(children, tmp_path, lock_timeout_seconds=0.2)
    job.goes_on()
    with closing(sqlite3.connect(job.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert job.said_after() == "busy"
        writer.execute("ROLLBACK")
    job.goes_on()
    job.ends()


@slow
def test_a_full_text_index_is_taken_for_damage(children: Children, tmp_path: Path) -> None:
    """What sqlite-utils adds with triggers is thrown out at the next opening, with the file as it was moved aside."""
    job = AtWork(children, tmp_path)
    job.goes_on()
    job.ends()
    argv = [sys.executable, "-m", "sqlite_utils", "enable-fts", str(job.path), "jobs", "file_name", "--create-triggers"]
    subprocess.run(argv, check=True)
    with pytest.warns(StoreRecovered, match="trigger"), CheckpointStore(job.path) as store:
        assert store.job("talk.txt").progress().completed_chunks == 1
    assert len(list(tmp_path.glob("talk.db.corrupt-*"))) == 1


def test_an_immutable_reader_sees_an_old_store(job: AtWork) -> None:
    """Who opens the file as immutable, as datasette -i does, does not see what stands in the log."""
    with closing(sqlite3.connect(f"file:{job.path}?immutable=1", uri=True)) as connection:
        try:
            found = len(connection.execute(QUERY).fetchall())
        except sqlite3.DatabaseError:  # no table is there yet
            found = 0
    assert found < job.done


@slow
def test_every_user_of_the_machine_can_reach_the_port(tmp_path: Path) -> None:
    """Datasette listens on this machine alone by default, and asks nobody who they are."""
    import datasette.cli

    options = {option.name: option.default for option in datasette.cli.serve.params}
    assert options["host"] == "127.0.0.1"
