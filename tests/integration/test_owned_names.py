"""Which names a store keeps for itself: nothing else may be written there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ProcessingState,
    ReportTargetError,
    StorageFullError,
    StoreRecovered,
    StoreTargetError,
    report,
    restore_store,
)
from checkpoint_store.cli import stand_in
from checkpoint_store.cli.options import sibling_of
from checkpoint_store.cli.run.outputs.log import OutputLog
from checkpoint_store.storage.files.names import STAND_IN_FOLDER, StoreFiles, state_copies
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.files import temporary_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Children

NAMES = ("talk.db", "talk.sqlite", ".processing_state.db")
LEFT = (".lock", ".open", ".outputs", "-wal", ".runner-", ".unrecorded-", ".backup-", ".replaced-", ".json", ".bak")
"""What is in the name of some file that the store of these tests leaves."""
READ_IT = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM jobs').fetchone(); c.close()"
"""As a person does at the ``sqlite3`` prompt: who closes a store last copies its WAL into it, and removes the WAL."""
WRITERS: dict[str, Callable[[CheckpointStore, Path], object]] = {
    "backup": lambda store, path: store.backup(path, replace=True),
    "export": lambda store, path: store.jobs()[0].export(path, replace=True),
    "report": lambda store, path: report.write(store, path, replace=True),
}


@pytest.fixture(params=NAMES)
def used(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CheckpointStore]:
    """An open store that was restored, has a chunk in hand, a result that it could not record, and the log of a run."""
    path = tmp_path / request.param
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, "x")
        job.pause()  # an automatic backup is made
        copy = store.backup(tmp_path / "copy")
    restore_store(copy, path)
    copy.unlink()
    OutputLog(path).record(tmp_path / "talk.txt", "talk.srt", "0" * 64, "job")
    with CheckpointStore(path) as store, pytest.MonkeyPatch.context() as patch:
        loop = iter(store.open_job("talk.srt", total_chunks=3).pending())
        next(loop)
        patch.setattr(store._context.storage.group_commit, "submit", _refuse)  # type: ignore[union-attr]
        with pytest.raises(StorageFullError):
            next(store.job("talk.srt").map(lambda _: "paid for", only=[2]))
        patch.undo()
        yield store


def _refuse(*_: object) -> None:
    raise StorageFullError("talk.db", "No space left on device", 0)


def left_by(store: CheckpointStore) -> list[Path]:
    """The files that the store left; the unfinished form that each had or may have; and what a killed recovery leaves."""
    left = sorted(store.path.parent.iterdir())
    assert [mark for mark in LEFT if not any(mark in path.name for path in left)] == []
    return [*left, *map(temporary_path, left), StoreFiles(store.path).recovered]


@pytest.mark.slow_variants
def test_a_store_owns_what_it_writes(used: CheckpointStore) -> None:
    """Each file that a store leaves is its own, in its unfinished form, too, whether it is there or not."""
    assert [path.name for path in left_by(used) if not used.owns(path)] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("writer", WRITERS)
def test_no_copy_replaces_what_a_store_writes(used: CheckpointStore, writer: str) -> None:
    """``replace=True`` takes no lock from a runner, no result that waits to be recorded, and no backup."""
    left = left_by(used)
    states = state_copies(StoreFiles(used.path).state_file)
    before = {path: path.read_bytes() for path in left if path.exists()}
    for path in left:
        if writer == "export" and path in states:
            continue  # an export is a state
        with pytest.raises((StoreTargetError, ReportTargetError)):
            WRITERS[writer](used, path)
    assert {path: path.read_bytes() for path in left if path.exists()} == before


@each_case("name", ["talk.txt", "talk.cleaned.txt", "talk.db.txt", "x.talk.db", "other.json", "talk.db2"])
def test_a_store_owns_no_other_file(tmp_path: Path, name: str) -> None:
    """A text beside the store is not the store's, and neither is a file of the same name elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    with CheckpointStore(tmp_path / "talk.db") as store:
        assert not store.owns(tmp_path / name)
        assert not store.owns(tmp_path / "elsewhere" / "talk.db")


def test_a_backup_may_have_a_name_that_only_resembles_an_automatic_one(tmp_path: Path) -> None:
    """``talk.db.backup-monday`` is a name that people choose, and no store does."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
        assert store.backup(tmp_path / "talk.db.backup-monday").exists()


def test_a_name_is_known_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, or one through a linked folder, is the same file; so is a state file that was put elsewhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    with CheckpointStore("data/talk.db", state_file=tmp_path / "state.json") as store:
        owned = ("data/talk.db", "link/talk.db-wal", "data/../data/talk.lock", "state.json", "state.bak")
        assert [path for path in owned if not store.owns(path)] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_open", [True, False])
def test_a_store_knows_the_owner_of_a_name(tmp_path: Path, *, is_open: bool) -> None:
    """``owner_of`` names the store that owns a file, open or closed; another program's database is no store."""
    other = CheckpointStore(tmp_path / "talk.html")
    if not is_open:
        other.close()
    with closing(sqlite3.connect(tmp_path / "plain.db")) as connection:
        connection.execute("CREATE TABLE lines (text)")
    with CheckpointStore(tmp_path / "mine.db") as store:
        names = (
            "talk.html",
            "talk.html-wal",
            "talk.html.json",
            "mine.json",
            "plain.db",
            "plain.json",
            "talk.db",
            "new.txt",
        )
        owners = [store.owner_of(tmp_path / name) for name in names]
        with pytest.raises(ReportTargetError, match=r"belongs to the store .*talk\.html"):
            report.write(store, tmp_path / "talk.html", replace=True)
    other.close()
    assert owners == [other.path, other.path, other.path, store.path, None, None, None, None]


@pytest.mark.parametrize("end", [".json", ".bak"])
def test_a_job_is_exported_to_the_state_file_of_its_store_by_name(store: CheckpointStore, end: str) -> None:
    """The path of the store's own state file is taken for no file of another store, such as one without a suffix."""
    job = store.open_job("talk.txt", chunks=["a", "b"])
    job.complete(0, "A")
    path = store.path.with_suffix(end)
    path.write_text(job.state().to_json())
    job.complete(1, "B")
    assert ProcessingState.from_json(job.export(path).read_bytes()) == job.state()


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["talk.sqlite", "talk.sqlite-wal", "talk.sqlite.outputs"])
def test_no_export_replaces_a_store_that_is_closed(tmp_path: Path, name: str) -> None:
    """``replace=True`` is for a file that is no longer needed; a store has results that were paid for."""
    with CheckpointStore(tmp_path / "talk.sqlite") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
    with CheckpointStore(tmp_path / "mine.db") as store:
        job = store.open_job("talk.srt", total_chunks=1)
        with pytest.raises(StoreTargetError, match=r"talk\.sqlite or belongs to it"):
            job.export(tmp_path / name, replace=True)
        job.export(tmp_path / "talk.sqlite.json", replace=True)
    with CheckpointStore(tmp_path / "talk.sqlite", state_file=None) as store:
        assert store.job("talk.srt").result(0) == "x"


@pytest.mark.slow_variants
@pytest.mark.parametrize("writer", ["backup", "export"])
def test_no_copy_replaces_a_file_of_another_store_that_a_process_has_open(
    tmp_path: Path, children: Children, writer: str
) -> None:
    """``replace=True`` leaves the other store, its WAL and its locks alone: its chunks would be paid for twice."""
    with CheckpointStore(tmp_path / "talk.sqlite") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
    holder = children.start(program(__file__, "hold_open"), "talk.sqlite")
    assert children.next_line(holder) == "open"
    left = [path for path in tmp_path.iterdir() if path.name.startswith("talk.sqlite")]
    with CheckpointStore(tmp_path / "mine.db") as store:
        store.open_job("talk.srt", total_chunks=1)
        for path in left:
            with pytest.raises(StoreTargetError, match="a process has open"):
                WRITERS[writer](store, path)
    children.finish(holder, "\n\n")


@each_case("end", [".db.runner-1", ".outputs", ".db.backup-1.2-0001"])
def test_no_state_file_has_the_name_of_another_file_of_the_store(tmp_path: Path, end: str) -> None:
    """The first state would replace the lock of a runner, or a backup."""
    with pytest.raises(StoreTargetError, match=r"belong|beside"):
        CheckpointStore(tmp_path / "talk.db", state_file=tmp_path / f"talk{end}")


@pytest.mark.slow_variants
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal", ".recovered", ".tmp-0123456789ab", ".runner-0123456789ab"])
def test_nothing_new_gets_a_name_whose_file_is_removed(tmp_path: Path, end: str) -> None:
    """No store begins, and no copy of one, under a name whose file vanishes when the store ``talk.db`` is opened."""
    path = tmp_path / f"talk.db{end}"
    with CheckpointStore(tmp_path / "other.db") as other:
        other.open_job("talk.srt", total_chunks=1).complete(0, "x")
        copy = other.backup(tmp_path / "copy.db")
        for make in (CheckpointStore, other.backup, lambda target: restore_store(copy, target)):
            with pytest.raises(StoreTargetError, match=f"files that end in {end} are removed"):
                make(path)
    assert not path.exists()


def test_a_store_that_has_such_a_name_is_made_anew_from_its_copies(tmp_path: Path) -> None:
    """A store that was renamed to such a name is no new store, also where a restore of it was killed in the middle."""
    with CheckpointStore(tmp_path / "talk.db", state_file=None) as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
    (tmp_path / "talk.db").rename(tmp_path / "talk-journal.recovered")
    with pytest.warns(StoreRecovered), CheckpointStore(tmp_path / "talk-journal", state_file=None) as store:
        assert store.jobs()[0].result(0) == "x"


def test_a_store_whose_name_is_like_that_of_a_lock_file_stays(tmp_path: Path) -> None:
    """The opening of a store removes the lock files of dead runners, and no file whose name is merely similar."""
    with CheckpointStore(tmp_path / "talk.runner-2.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
    with CheckpointStore(tmp_path / "talk") as store:
        list(store.open_job("talk.srt", total_chunks=1).pending())
    with CheckpointStore(tmp_path / "talk.runner-2.db") as store:
        assert store.jobs()[0].result(0) == "x"


def test_a_state_that_was_moved_aside_can_be_imported(tmp_path: Path) -> None:
    """A state file that the store moved aside can be imported, though its name belongs to the store."""
    aside = tmp_path / "talk.json.replaced-20260101T000000.000000Z"
    with CheckpointStore(tmp_path / "talk.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "x")
        store.state_file.rename(aside)  # type: ignore[union-attr]
        assert store.import_state(aside).result(0) == "x"


@each_case("name", [*NAMES, ".db", "talk.db.db", "talk", ".talk", "talk.DB", "a b.db"])
def test_the_command_names_the_files_of_a_store_as_the_library_does(tmp_path: Path, name: str) -> None:
    """``path`` shows the state file that ``run`` writes, and a stand-in takes the copies that an opening takes."""
    files = StoreFiles(tmp_path / name)
    named = [sibling_of(tmp_path / name, suffix) for suffix in (".json", ".bak", ".outputs")]
    assert named == [*state_copies(files.state_file), files.outputs]
    for copy in (files.state_file, Siblings(tmp_path / name).next_backup("1.2")):
        copy.write_text("{}")
        assert stand_in._copies_of(tmp_path / name)[-1] == copy
    assert stand_in._FOLDER == STAND_IN_FOLDER


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["link.json", "link.db"])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_no_second_name_of_an_open_store_is_opened(tmp_path: Path, name: str, link: str) -> None:
    """A call that is given another name of a store keeps the locks by which others leave the store's WAL alone."""
    with CheckpointStore(tmp_path / "a.db") as store, CheckpointStore(tmp_path / "b.db", state_file=None) as other:
        job = store.open_job("talk.srt", total_chunks=2)
        other.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        path = tmp_path / name
        getattr(path, link)(tmp_path / "b.db")
        for look in (store.owner_of, job.export, store.import_state, store.merge, store.backup):
            with suppress(CheckpointStoreError):
                look(path)
        with suppress(CheckpointStoreError):
            CheckpointStore(tmp_path / "c.db", state_file=path).close()
        path.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-c", READ_IT, tmp_path / "b.db"], check=True)
        assert StoreFiles(tmp_path / "b.db").wal.exists()


@pytest.mark.parametrize("name", ["b.db", "b.db-shm"])
def test_the_file_of_an_open_store_is_read_as_no_state(tmp_path: Path, name: str) -> None:
    """A store that this process has open is refused as a state, by its own name, too; so is the index of its WAL."""
    with CheckpointStore(tmp_path / "a.db") as store, CheckpointStore(tmp_path / "b.db", state_file=None) as other:
        other.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        with pytest.raises(StoreTargetError, match="this process has open"):
            store.import_state(tmp_path / name)
