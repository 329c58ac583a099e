"""Root reads a store, at work or left by a killed process, and not even a ctime is another afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, doctor, migration_status

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

WRITER = program(__file__, "write_and_wait")


def touched(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything of each file that reading must not change: owner, mode, size, and both times."""
    found = {}
    for path in folder.iterdir():
        status = path.stat()
        found[path.name] = (status.st_uid, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


@pytest.mark.slow_variants
@pytest.mark.parametrize("killed", [False, True])
def test_reading_changes_no_ctime(tmp_path: Path, children: Children, killed: bool) -> None:
    """Whoever reads; SQLite's own connection as root changes that of the log and of its index (the control)."""
    writer = children.start(WRITER)
    assert children.next_line(writer) == "written"
    if killed:
        writer.kill()
        writer.wait()
    before = touched(tmp_path)
    assert {"talks.db-wal", "talks.db-shm"} <= before.keys()
    read = "import sys\nfrom checkpoint_store import *\nwith CheckpointStore('talks.db', read_only=True) as store:\n"
    read += "    print(store.jobs()[0].result(0), store.check(), store.info()['read_only'])\n"
    read += "    print([f.level for f in doctor('talks.db') if f.level == 'problem'])\n"
    assert children.run(read) == "paid for [] True\n[]\n"
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        assert store.jobs()[0].result(0) == "paid for"
    assert doctor(tmp_path / "talks.db")
    assert migration_status(tmp_path / "talks.db").pending == ()
    assert touched(tmp_path) == before


@pytest.mark.root
def test_without_the_remedy_root_touches_the_log(tmp_path: Path, children: Children) -> None:
    """The control: as SQLite does it by itself, both ctimes are others afterwards."""
    writer = children.start(WRITER)
    assert children.next_line(writer) == "written"
    before = touched(tmp_path)
    control = "import sqlite3\nraw = sqlite3.connect('file:talks.db?mode=ro&readonly_shm=1', uri=True)\n"
    control += "print(raw.execute('SELECT count(*) FROM jobs').fetchone())\nraw.close()"
    assert children.run(control) == "(1,)\n"
    after = touched(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} >= {"talks.db-wal", "talks.db-shm"}


@pytest.mark.root
def test_root_still_gives_the_log_to_the_owner_of_the_store(tmp_path: Path, children: Children) -> None:
    """A process of root's that has read once goes on to create logs that are the owner's."""
    CheckpointStore(tmp_path / "talks.db").close()
    for path in tmp_path.iterdir():
        os.chown(path, 4001, 4001)
    assert children.run(program(__file__, "complete_as_owner")) == "[4001]\n"
