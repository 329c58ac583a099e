"""Each revision is killed, and fails, at each of its statements; and many open an old file at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from storms.warm import WARM

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

# A warm process forks for each statement. What runs there counts every statement of every connection, and at the N-th
# it is killed, or the statement fails in its place; then the same call is made again.
SWEEP = (
    WARM
    + """
import shutil, sqlite3
from pathlib import Path
from contextlib import closing
from checkpoint_store.upgrade import migrate
template, way, what, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
real, old, new = sqlite3.connect, "1.0", "1.1"
warnings.simplefilter("error")

def do(path):
    CheckpointStore(path, state_file=None).close() if way == "up" else migrate(path, to=old)

class Cursor(sqlite3.Cursor):
    def execute(self, statement, *rest):
        count(statement)
        return super().execute(statement, *rest)
class Counting(sqlite3.Connection):
    def cursor(self, factory=None):
        return super().cursor(Cursor)
    def execute(self, statement, *rest):
        return self.cursor().execute(statement, *rest)

def arm(number):
    global count
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
    sqlite3.connect = lambda *words, **options: real(*words, **options, factory=Counting)
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

def looked_at(path):
    with closing(real(path)) as raw:
        version, = raw.execute("SELECT version_num FROM alembic_version").fetchone()
        names = sorted(raw.execute("SELECT type, name FROM sqlite_master").fetchall())
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = [raw.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("jobs", "completed_chunks", "chunk_results")]
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
"""
)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A folder with the store of the frozen dump of 1.0."""
    folder = tmp_path / "template"
    folder.mkdir()
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), folder / "talks.db")
    return folder


def _sweep(children: Children, template: Path, way: str, what: str, step: int) -> None:
    if way == "down":
        children.run("import sys; from checkpoint_store import *; migrate(sys.argv[1])", template / "talks.db")
        for backup in template.glob("*.backup-*"):
            backup.unlink()
    found: dict[str, Any] = json.loads(children.run(SWEEP, template, way, what, step).splitlines()[-1])
    print(f"FIGURES migration {way}, {what}: {found}")
    assert found["points"] >= 20 / step
    assert found["as_before" if what == "kill" else "raised"] >= found["points"] / 2


@pytest.mark.parametrize("step", [23, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("what", ["kill", "fail"])
def test_a_migration_that_ends_at_some_statement_changes_nothing(
    children: Children, template: Path, way: str, what: str, step: int
) -> None:
    """Killed or failing, the file is whole and of one schema, and the same call again succeeds."""
    _sweep(children, template, way, what, step)


@pytest.mark.storm
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("what", ["kill", "fail"])
def test_a_migration_that_ends_at_any_statement_changes_nothing(
    children: Children, template: Path, way: str, what: str
) -> None:
    """The same at every single statement."""
    _sweep(children, template, way, what, 1)


OPENS = (
    WARM
    + """
path, count = sys.argv[1], int(sys.argv[2])
def first_open(gate):
    os.read(gate, 1)
    with CheckpointStore(path, lock_timeout_seconds=120) as store:
        (job,) = store.jobs(file_name="lecture.srt")
        assert job.progress().completed_chunks == 3 and store.recovery is None
gate, opener = os.pipe()
children = [forked(first_open, gate) for _ in range(count)]
os.write(opener, b"x" * count)
print(json.dumps(sum(os.waitpid(child, 0)[1] != 0 for child in children)))
"""
)


def _open_at_once(children: Children, template: Path, count: int) -> None:
    assert json.loads(children.run(OPENS, template / "talks.db", count)) == 0
    assert [path.name for path in template.glob("*.backup-*")] == ["talks.db.backup-1.0-0001"]


def test_many_first_opens_of_an_old_file_upgrade_it_once(children: Children, template: Path) -> None:
    """No error, one copy, and each goes on with what there is."""
    _open_at_once(children, template, 12)


@pytest.mark.storm
def test_a_hundred_first_opens_of_an_old_file_upgrade_it_once(children: Children, template: Path) -> None:
    """The same with a hundred processes."""
    _open_at_once(children, template, 100)


def test_threads_upgrade_different_files_at_once(children: Children, template: Path) -> None:
    """Alembic has one context per process: each of four files gets its own upgrade all the same."""
    source = """
import shutil, sys, threading
from checkpoint_store import *
import checkpoint_store._db.migrate, alembic.command
failed = []
def upgrade(number, gate):
    try:
        gate.wait()
        with CheckpointStore(f"copy-{number}.db", state_file=None) as store:
            assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
    except BaseException as error:
        failed.append(repr(error))
for round in range(3):
    gate = threading.Barrier(4)
    for number in range(4):
        shutil.copy(sys.argv[1], f"copy-{number}.db")
    threads = [threading.Thread(target=upgrade, args=(number, gate)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(failed)
"""
    assert children.run(source, template / "talks.db") == "[]\n"


def test_going_back_is_refused_where_it_would_lose_something(children: Children, template: Path) -> None:
    """With attempts there is no way back, nor while a process has the store open; without them there is."""
    source = """
import sys
from checkpoint_store import *
path = sys.argv[1]
def refused(words):
    try:
        migrate(path, to="1.0")
    except MigrationFailed as error:
        assert words in str(error) and "as it was" in str(error), str(error)
    else:
        raise AssertionError("not refused")
    assert migration_status(path).current == "1.1"
with CheckpointStore(path, state_file=None) as store:
    refused("has it open; end it first")
    for chunk in store.latest_job().pending():
        chunk.fail("not now")
        break
refused("1 are recorded; they would be lost")
import sqlite3, contextlib
with contextlib.closing(sqlite3.connect(path)) as raw:
    raw.execute("DELETE FROM attempts")
    raw.commit()
migrate(path, to="1.0")
assert migration_status(path).current == "1.0"
with CheckpointStore(path, state_file=None) as store:
    assert store.check() == [] and store.recovery is None
    print([job.progress().completed_chunks for job in store.jobs()])
"""
    assert children.run(source, template / "talks.db") == "[3, 1, 1]\n"
