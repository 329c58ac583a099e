"""Kill or fail a migration at each of its statements, in forks, and look at what is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

from storms.forking import forked

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.maintenance import migrate
from checkpoint_store.storage.files import unrecorded as unrecorded_files

template, way, what, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
NEWER = (
    "superseded_by",
    "fingerprint_rule",
    "looked_number",
    "looked_jobs",
    "looked_chunks",
    "source_job_id",
    "source_chunk_index",
    "source_differs_in",
    "redo_asked_at",
    "metadata",
    "sequential",
)
"""Columns that schema 1.0 does not have."""
real, old, new = sqlite3.connect, "1.0", "1.5"
warnings.simplefilter("error")
temporary: Any = unrecorded_files
temporary._TEMPORARY_FOLDERS = ()  # what other programs left there for a store of this name is asked for, too


def do(path):
    CheckpointStore(path, state_file=None).close() if way == "up" else migrate(path, to=old)


class Cursor(sqlite3.Cursor):
    count = staticmethod(lambda statement: None)

    def execute(self, statement, *rest):
        self.count(statement)
        return super().execute(statement, *rest)


class Counting(sqlite3.Connection):
    def cursor(self, factory=None):
        return super().cursor(Cursor)

    def execute(self, statement, *rest):
        return self.cursor().execute(statement, *rest)


def arm(number):
    seen = 0

    def count(statement):
        nonlocal seen
        seen += 1
        if seen == number:
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
            raise error

    Cursor.count = staticmethod(count)
    patched: Any = sqlite3
    patched.connect = lambda *words, **options: real(*words, **options, factory=Counting)
    return lambda: seen >= number


def trial(path, number):
    reached = arm(number)
    raised = 0
    try:
        do(path)
    except CheckpointStoreError:
        raised = 1
    if not reached():
        os._exit(77)
    if raised:
        do(path)
    os._exit(10 + raised)


with closing(real(template / "talks.db")) as raw:
    COLUMNS = {
        table: ", ".join(name for _, name, *_ in raw.execute(f"PRAGMA table_info({table})") if name not in NEWER)
        for table in ("jobs", "completed_chunks", "chunk_results")
    }


def looked_at(path):
    with closing(real(path)) as raw:
        (version,) = raw.execute("SELECT version_num FROM alembic_version").fetchone()
        names = sorted(raw.execute("SELECT type, name FROM sqlite_master").fetchall())
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = [
            raw.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall() for table, columns in COLUMNS.items()
        ]
    return {version: names}, rows


def copied(name):
    shutil.rmtree(name, ignore_errors=True)
    shutil.copytree(template, name)
    return Path(name) / "talks.db"


path = copied("reference")
before, rows = looked_at(path)
do(path)
after, same = looked_at(path)
assert same == rows and before.keys() ^ after.keys() == {old, new}
points = raised = as_before = 0
for number in range(1, 10_000, step):
    path = copied("trial")
    child = forked(trial, path, number)
    status = os.waitpid(child, 0)[1]
    if os.waitstatus_to_exitcode(status) == 77:
        break
    points += 1
    if what == "kill":
        assert status == signal.SIGKILL, status
        kept = Path("killed")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(path.parent, kept)
        found, there = looked_at(kept / "talks.db")
        assert found in (before, after) and there == rows, (number, found)
        as_before += found == before
        do(path)
    else:
        assert os.waitstatus_to_exitcode(status) in (10, 11), status
        raised += os.waitstatus_to_exitcode(status) == 11
    assert looked_at(path) == (after, rows), number
    left = [one.name for one in path.parent.iterdir() if ".tmp-" in one.name and what != "kill"]
    assert left == [], (number, left)
    with CheckpointStore(path, state_file=None) as store:
        assert store.recovery is None and store.check() == []
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
print(json.dumps({"points": points, "raised": raised, "as_before": as_before}))
