"""The prepared texts are those of the statements, and spare ordinary work the import of SQLAlchemy."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.sql import jobs, select
from checkpoint_store.storage.statements.prepared import SQLALCHEMY, STATEMENTS
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.statements.statement import Statement

from . import write_prepared

if TYPE_CHECKING:
    from pathlib import Path

REMEDY = "run: python tests/storage/write_prepared.py"
UNPREPARED: Statement = Statement(select(jobs.c.job_id))


def test_every_statement_is_prepared_as_it_is_built() -> None:
    """A store runs the very text that the code builds from its tables, whatever SQLAlchemy is installed.

    Another version of SQLAlchemy may spell a text in another way: with it, only which statements are prepared is compared.
    """
    assert write_prepared.columns() == {table: set(names) for table, names in COLUMNS.items()}
    built = write_prepared.texts()
    assert built.keys() == STATEMENTS.keys(), REMEDY
    literals = [literal for text in STATEMENTS.values() for literal in write_prepared.LITERAL.findall(text)]
    assert [literal for literal in literals if ":" in literal] == []
    if write_prepared.SQLALCHEMY == SQLALCHEMY:
        assert built == STATEMENTS, REMEDY


def test_every_statement_has_a_name() -> None:
    """A maintainer finds the text of a statement by the module and the name that it has there."""
    assert [name for name in STATEMENTS if name.endswith(".")] == []
    assert UNPREPARED.name == f"{__name__}.UNPREPARED"


def test_a_statement_without_a_prepared_text_is_compiled() -> None:
    """The control: a statement that nobody has prepared works, too."""
    assert UNPREPARED.text == "SELECT jobs.job_id FROM jobs"
    assert UNPREPARED.values() == ()


@pytest.mark.slow_variants
@pytest.mark.parametrize("part", ["library", "manager", "command"])
def test_ordinary_work_imports_no_sqlalchemy(tmp_path: Path, part: str) -> None:
    """To open a store, work in it and look at it takes a fifth of a second less: SQLAlchemy is for migrations."""
    with CheckpointStore(tmp_path / ".processing_state.db") as store:
        store.open_job("talk.srt", chunks=["a", "b"])
    words = [sys.executable, str(program(__file__, "work_without_sqlalchemy")), part]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
