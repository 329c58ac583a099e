"""Stores that hold what this library never wrote: the commands name it, and no text of a store steers the screen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError, InvalidArgumentError, StateFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Folder

DEEP = "'{\"a\":' || replace(hex(zeroblob(100000)), '00', '[') || '1}'"
ODD = {
    "a blob for a name": "UPDATE jobs SET file_name = x'ff00fe'",
    "a blob for a model": "UPDATE jobs SET model = x'00ff'",
    "the year 99999": "UPDATE jobs SET updated_at = '99999-01-01T00:00:00+00:00'",
    "a word for a time": "UPDATE jobs SET stretch_started_at = 'yesterday'",
    "a number of chunks that no loop ends at": "UPDATE jobs SET total_chunks = 9223372036854775807",
    "a broken number of chunks": "UPDATE jobs SET total_chunks = 3.5",
    "a config without an end": f"UPDATE jobs SET config = {DEEP}",
    "a list for a config": "UPDATE jobs SET config = '[1]'",
    "a word for a rule": "UPDATE jobs SET fingerprint_rule = 'abc'",
}
ODD_TRIES = {
    "a blob for an error": "UPDATE attempts SET error = x'00ff'",
    "a word for a length of time": "UPDATE attempts SET seconds = 'long'",
    "a length of time without an end": "UPDATE attempts SET seconds = 9e999",
    "a try in the year 99999": "UPDATE attempts SET started_at = '99999-01-01'",
}
STEERING = "\x1b]0;other\x07\x1b[31m\x9b2J\u202eevil"


def make_store(path: Path) -> None:
    """A store with a completed chunk, and a failed one."""
    with CheckpointStore(path) as store:
        first, second = store.open_job("talk.srt", chunks=["a", "b"], video_title="t", model="m").pending()
        first.complete({"cleaned_text": "A"})
        second.fail("no")


def change(path: Path, statement: str) -> None:
    """Change what a store holds, as any program can."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executescript(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.slow_variants
@pytest.mark.parametrize("statement", ODD.values(), ids=ODD)
def test_a_value_that_no_store_has_is_named(folder: Folder, statement: str) -> None:
    """What `check` reports is what the other commands refuse, by column and value; no command ends in a traceback."""
    make_store(folder.path / ".processing_state.db")
    change(folder.path / ".processing_state.db", statement)
    assert "cannot be read" in folder.run("check", code=1).stdout + folder.run("check", code=1).stderr
    for words in (["list"], ["list", "--json"], ["show"], ["show", "--json"]):
        said = folder.run(*words, code=2)
        assert "its row in jobs cannot be read" in said.stderr + said.stdout, words


@pytest.mark.slow_variants
@pytest.mark.parametrize("statement", ODD_TRIES.values(), ids=ODD_TRIES)
def test_a_try_that_no_store_has_is_named(folder: Folder, statement: str) -> None:
    """A command that shows tries names the damaged row of a try; ``show``, which only counts tries, still works."""
    make_store(folder.path / ".processing_state.db")
    change(folder.path / ".processing_state.db", statement)
    folder.run("check", code=1)
    assert "damaged  " in folder.run("show").stdout
    for words in (["errors", "talk.srt"], ["errors", "talk.srt", "--json"]):
        said = folder.run(*words, code=2)
        assert "its row in attempts cannot be read" in said.stderr + said.stdout, words
    assert "A" in folder.run("results", "talk.srt").stdout


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0)"


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER TABLE jobs RENAME TO x; CREATE VIEW jobs AS {ENDLESS} SELECT x.* FROM n JOIN x",
        f"DROP TABLE deleted_jobs; CREATE VIEW Deleted_Jobs AS {ENDLESS} SELECT '' job_id, '' deleted_at FROM n",
        f"DROP TABLE alembic_version; CREATE VIEW alembic_version AS {ENDLESS} SELECT '1.0' version_num FROM n WHERE i < 0",
        "DROP TABLE pauses; CREATE VIRTUAL TABLE pauses USING fts3(job_id)",
    ],
    ids=["jobs", "deleted jobs", "version", "virtual"],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_view_in_the_place_of_a_table_is_refused(tmp_path: Path, statement: str, *, read_only: bool) -> None:
    """A store in which something without an end has a table's name is refused, unread."""
    path = tmp_path / "talk.db"
    make_store(path)
    change(path, statement)
    with pytest.raises(
        CheckpointStoreError, match=r"has the name of a table of a store. If you added it: DROP (VIEW|TABLE) \w+ "
    ):
        CheckpointStore(path, read_only=read_only).close()


def test_nothing_in_a_store_steers_the_screen(folder: Folder) -> None:
    """Names, titles, models and errors are printed without escape sequences; JSON says the same value."""
    path = folder.path / ".processing_state.db"
    with CheckpointStore(path) as store:
        job = store.open_job(
            f"{STEERING}.srt",
            chunks=["a"],
            video_title=STEERING,
            model=STEERING,
            provider=STEERING,
            config={"x": STEERING},
        )
        job.fail(STEERING)
    change(path, "UPDATE jobs SET error_message = file_name")
    for words in (["list"], ["show"], ["show", "--json"], ["list", "--json"], ["check"], ["delete", job.job_id]):
        said = folder.run(*words)
        assert not set(said.stdout + said.stderr) & set("\x1b\x07\x9b\u202e"), words
    said = folder.run("export", job.job_id)
    assert not set(said.stdout) & set("\x9b\u202e")
    assert json.loads(said.stdout)["video_title"] == STEERING
    change(path, f"UPDATE jobs SET updated_at = '{STEERING}'")
    assert not set(folder.run("show", code=2).stderr) & set("\x1b\x07\x9b\u202e")


def test_show_takes_as_long_as_there_are_completed_chunks(folder: Folder) -> None:
    """A job that is to have a thousand million chunks is shown as fast as one of three."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("talk.srt", total_chunks=1_000_000_000)
        for index in (0, 1, 999_999_999):
            job.complete(index, {"n": index})
        assert job.completed_ranges() == [(0, 2), (999_999_999, 1_000_000_000)]
    assert "3 of 1,000,000,000" in folder.run("show").stdout


def test_more_chunks_than_any_input_has_are_refused(tmp_path: Path) -> None:
    """A number of chunks above a thousand million is refused as an argument, and in a state file."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        with pytest.raises(InvalidArgumentError, match="total_chunks"):
            store.open_job("talk.srt", total_chunks=1_000_000_001)
        state = store.open_job("talk.srt", total_chunks=2).state().to_dict()
        (tmp_path / "other.json").write_text(json.dumps(state | {"total_chunks": 2**63 - 1}))
        with pytest.raises(StateFormatError, match="total_chunks"):
            store.import_state(tmp_path / "other.json")


@pytest.mark.slow
def test_two_schema_versions_are_damage_and_no_result_is_lost(folder: Folder) -> None:
    """A store with a second row of its schema version is called damaged; a recovery brings its results back."""
    path = folder.path / ".processing_state.db"
    make_store(path)
    change(path, "INSERT INTO alembic_version VALUES ('1.0')")
    assert "its schema version reads '1.5 and 1.0'" in folder.run("check", code=1).stderr
    folder.run("recover")
    with CheckpointStore(path) as store:
        assert store.jobs()[0].result(0) == {"cleaned_text": "A"}
        assert store.check() == []


def test_path_names_the_files_of_a_store_that_cannot_be_opened(folder: Folder) -> None:
    """``path`` prints the names, also where a newer version or a recovery is needed first."""
    path = folder.path / ".processing_state.db"
    make_store(path)
    names = [str(path), str(path.with_suffix(".json"))]
    for version in ("99.0", "none"):
        change(path, f"UPDATE alembic_version SET version_num = '{version}'")
        assert folder.run("list", code=2).stdout == ""
        assert folder.run("path").stdout.splitlines() == names
