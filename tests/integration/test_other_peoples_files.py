"""What somebody else made is replaced only where the caller says so, by whichever call writes a file."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program, snapshot

from checkpoint_store import CheckpointStore, StoreTargetError, recover_store, restore_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of one job that is half done, closed."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
    return tmp_path / "talks.db"


def _other_store(name: Path) -> None:
    with CheckpointStore(name, state_file=None) as store:
        store.open_job("another.srt", total_chunks=1).complete(0, "of another job")


def _other_program(name: Path) -> None:
    with closing(sqlite3.connect(name)) as raw:
        raw.execute("CREATE TABLE people (name TEXT)")
        raw.commit()


def _other_state(name: Path) -> None:
    with CheckpointStore(name.with_name("x.db"), state_file=None) as store:
        store.open_job("another.srt", total_chunks=1).export(name)


STRANGERS: dict[str, Callable[[Path], object]] = {
    "a text": lambda name: name.write_text("My thesis.\n" * 500),
    "JSON": lambda name: name.write_text('{"job_id": 1}'),
    "another store": _other_store,
    "a database of another program": _other_program,
    "the state of another job": _other_state,
    "a link": lambda name: name.symlink_to("nowhere"),
    "a link to a text": lambda name: [name.with_name("real").write_text("mine"), name.symlink_to("real")],
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
}
CALLS: dict[str, Callable[[CheckpointStore, Path], object]] = {
    "backup": lambda store, name: store.backup(name),
    "export": lambda store, name: store.jobs()[0].export(name),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))


@pytest.mark.slow_variants
@calls
@pytest.mark.parametrize("make", STRANGERS.values(), ids=list(STRANGERS))
def test_what_is_there_is_not_replaced(
    path: Path, call: Callable[[CheckpointStore, Path], object], make: Callable[[Path], object]
) -> None:
    """The error names the file, and what to do; nothing is touched, and nothing is left behind."""
    name = path.with_name("thesis.txt")
    make(name)
    number = name.lstat().st_ino
    with CheckpointStore(path) as store:
        with pytest.raises(StoreTargetError, match=r"thesis\.txt.*(name another|not a regular file|name of its own)"):
            call(store, name)
        assert name.lstat().st_ino == number
        assert [one.name for one in path.parent.iterdir() if ".tmp-" in one.name] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("make", ["a text", "another store", "a database of another program"])
def test_a_backup_is_put_there_by_who_asks_for_it(path: Path, make: str) -> None:
    """``replace=True`` puts a backup over another file."""
    name = path.with_name("thesis.txt")
    STRANGERS[make](name)
    with CheckpointStore(path) as store:
        store.backup(name, replace=True)
    with CheckpointStore(name, read_only=True) as copy:
        assert copy.jobs()[0].result(0) == "paid for"


def test_an_export_is_put_there_by_who_asks_for_it(path: Path) -> None:
    """``replace=True`` puts an export over another file."""
    name = path.with_name("thesis.txt")
    name.write_text("mine")
    with CheckpointStore(path) as store:
        assert store.jobs()[0].export(name, replace=True).read_text().startswith("{")


def test_an_earlier_copy_of_the_same_is_replaced(path: Path) -> None:
    """A nightly backup to one name, and an export of one job, go on as they were; an empty file is nobody's."""
    backup, export = path.with_name("nightly"), path.with_name("job.json")
    backup.touch()
    export.touch()
    with CheckpointStore(path) as store:
        (job,) = store.jobs()
        for index in (0, 1):
            job.complete(index, "paid for")
            store.backup(backup)
            job.export(export)
        store.delete_job(store.open_job("gone.srt", total_chunks=1).job_id)
        store.backup(backup)
    assert '"completed_chunks": [0, 1]' in export.read_text()


def test_a_copy_that_knows_more_is_not_replaced(path: Path) -> None:
    """The store went back in time, or was begun anew: the backup may be all that is left."""
    backup, export = path.with_name("nightly"), path.with_name("job.json")
    with CheckpointStore(path) as store:
        store.backup(path.with_name("early"))
        (job,) = store.jobs()
        job.complete(1, "later")
        store.backup(backup)
        job.export(export)
    with pytest.warns(UserWarning, match="that the replaced store had completed"):
        restore_store(path.with_name("early"), path)
    with CheckpointStore(path) as store:
        with pytest.raises(StoreTargetError, match="holds completed chunks"):
            store.backup(backup)
        with pytest.raises(StoreTargetError, match="has completed chunks that the store has not"):
            store.jobs()[0].export(export)


@pytest.mark.parametrize("replace", [False, True])
def test_a_store_that_is_open_is_not_replaced(path: Path, children: Children, replace: bool) -> None:
    """An open store is never replaced, not even by request: its process would go on in a nameless file."""
    shutil.copyfile(path, path.with_name("copy.db"))
    holder = children.start(program(__file__, "hold_open"), "copy.db")
    assert children.next_line(holder) == "open"
    with CheckpointStore(path) as store, pytest.raises(StoreTargetError, match="a process has open"):
        store.backup(path.with_name("copy.db"), replace=replace)
    children.finish(holder, "\n\n")


@pytest.mark.slow_variants
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("end", [".db", ".json", ".bak", ".lock", ".open", ".db-wal", ".db-shm", ".db.recovered"])
def test_a_copy_is_not_put_over_what_belongs_to_the_store(path: Path, end: str, replace: bool) -> None:
    """A copy is put over no file name of the store, by whatever path it is named."""
    (path.parent / "sub").mkdir()
    for folder in (path.parent, path.parent / "sub" / ".."):
        with CheckpointStore(path) as store, pytest.raises(StoreTargetError, match="belongs to it"):
            store.backup(folder / f"talks{end}", replace=replace)
    with CheckpointStore(path) as store:
        assert store.jobs()[0].result(0) == "paid for"


@pytest.mark.slow_variants
@pytest.mark.parametrize("make", ["a text", "a database of another program"])
@pytest.mark.parametrize("take", ["restore", "recover"])
def test_what_is_no_store_is_not_moved_aside(path: Path, make: str, take: str) -> None:
    """Restoring over another program's file, or recovering it, is refused as a slip of the hand."""
    with CheckpointStore(path) as store:
        copy = store.backup(path.with_name("copy.db"))
    name = path.with_name("thesis.db")
    STRANGERS[make](name)
    before = snapshot(path.parent)
    with pytest.raises(StoreTargetError, match="move it away first"):
        restore_store(copy, name) if take == "restore" else recover_store(name, accept_loss=True)
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("end", [".json", ".bak"])
def test_restoring_replaces_no_file_that_only_has_the_name_of_a_state_file(path: Path, end: str) -> None:
    """The state file follows a restoring; somebody else's ``thesis.json`` does not."""
    with CheckpointStore(path) as store:
        copy = store.backup(path.with_name("copy.db"))
    path.with_name(f"thesis{end}").write_text('{"mine": true}')
    before = snapshot(path.parent)
    with pytest.raises(StoreTargetError, match="holds something else"):
        restore_store(copy, path.with_name("thesis.db"))
    assert snapshot(path.parent) == before


def test_an_import_into_a_new_store_replaces_nothing(path: Path) -> None:
    """Somebody else's file beside it keeps the store from being made."""
    with CheckpointStore(path) as store:
        export = store.jobs()[0].export(path.with_name("export.json"))
    path.with_name("thesis.json").write_text('{"mine": true}')
    before = snapshot(path.parent)
    with pytest.raises(StoreTargetError, match="holds something else"):
        CheckpointStore(path.with_name("thesis.db")).import_state(export)
    assert snapshot(path.parent) == before


def test_a_store_that_was_dumped_and_read_again_says_how_to_mark_it(path: Path, tmp_path: Path) -> None:
    """The dump of a store lacks the mark of a store file: the error has the command that sets the mark."""
    copy = tmp_path / "elsewhere" / "my copy.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(path)) as raw, closing(sqlite3.connect(copy)) as read:
        read.executescript("\n".join(raw.iterdump()))
    before = snapshot(copy.parent)
    with pytest.raises(StoreTargetError, match="if it is a store, mark it: sqlite3 ") as caught:
        CheckpointStore(copy)
    assert snapshot(copy.parent) == before
    program, file, statement = shlex.split(str(caught.value).partition("mark it: ")[2])
    assert (program, file) == ("sqlite3", str(copy))
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute(statement)
    with CheckpointStore(copy) as store:
        assert dict(store.job("talk.srt").items()) == {0: "paid for"}
        assert store.check() == []
