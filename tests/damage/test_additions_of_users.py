"""What a user added to the schema of a store: a recovery leaves it in the old file, and says so."""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from migration.make_dump import DUMPS

from checkpoint_store import CheckpointStore, StoreRecovered, recover_store
from checkpoint_store.cli.app import run_command_line

if TYPE_CHECKING:
    from pathlib import Path

ADDED = """
CREATE TABLE notes (job_id TEXT, note TEXT);
INSERT INTO notes VALUES ('1', 'worth keeping');
ALTER TABLE jobs ADD COLUMN owner TEXT;
CREATE INDEX by_owner ON jobs (owner);
CREATE VIEW owners AS SELECT owner FROM jobs;
CREATE TRIGGER noting AFTER INSERT ON completed_chunks BEGIN INSERT INTO notes VALUES (NEW.job_id, ''); END;
"""
NAMES = ("column jobs.owner", "index by_owner", "table notes", "trigger noting", "view owners")


def _make(path: Path, version: str, additions: str = "") -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript((DUMPS / f"{version}.sql").read_text(encoding="utf-8") + additions)
    path.chmod(0o600)


@pytest.mark.slow_variants
@pytest.mark.parametrize("version", [dump.stem for dump in sorted(DUMPS.glob("*.sql"), reverse=True)])
def test_a_recovery_names_what_a_user_added_and_keeps_it_in_the_old_file(tmp_path: Path, version: str) -> None:
    """The warning names each table, column, index, view and trigger that the new store lacks; the old file has it."""
    path = tmp_path / "talks.db"
    _make(path, version, ADDED)
    with pytest.warns(StoreRecovered, match=f"left in the old files, .*: {', '.join(NAMES)}$"):
        CheckpointStore(path).close()
    (aside,) = tmp_path.glob("talks.db.corrupt-*")
    with closing(sqlite3.connect(aside)) as raw:
        assert raw.execute("SELECT note FROM notes").fetchall() == [("worth keeping",)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("version", [dump.stem for dump in sorted(DUMPS.glob("*.sql"), reverse=True)])
def test_a_recovery_names_no_part_of_any_released_schema(tmp_path: Path, version: str) -> None:
    """A store of any version to which nobody added anything leaves nothing behind."""
    _make(tmp_path / "talks.db", version)
    report = recover_store(tmp_path / "talks.db")
    assert report.not_taken == ()
    assert "left in the old files" not in str(report)


def test_the_command_names_what_a_user_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``recover --json`` has the names, for a script that carries the tables over itself."""
    _make(tmp_path / "talks.db", "1_5", ADDED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run_command_line(["checkpoint-store", "recover", "--json", "--store", str(tmp_path / "talks.db")]) == 0
    assert json.loads(capsys.readouterr().out)["not_taken"] == list(NAMES)
