"""What can be a store and what cannot; and that reading never writes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, program, snapshot
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    InvalidArgumentError,
    StorageUnavailableError,
    StoreTargetError,
)

if TYPE_CHECKING:
    from conftest import Children, Opener

NOBODY = 65534
OPEN_AND_SAY = program(__file__, "open_and_say")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's folder, with a few things in it that are no stores."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("This is a diary, not a database. " * 100)
    (tmp_path / "half.db").write_bytes(b"SQLite format 3\0" + b"x" * 4000)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE people (name TEXT)")
        other.execute("INSERT INTO people VALUES ('Ada')")
        other.commit()
    with closing(sqlite3.connect(tmp_path / "alembic.db")) as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES ('1.0')")
        other.execute("CREATE TABLE jobs (job_id TEXT)")
        other.commit()
    os.mkfifo(tmp_path / "pipe.db")
    (tmp_path / "dangling.db").symlink_to("nowhere.db")
    (tmp_path / "loop.db").symlink_to("loop.db")
    (tmp_path / "state.json").write_text("{}")
    return tmp_path


BAD = {
    "": "give the path of a file",
    "folder.db": "it is a folder",
    ".": "it is a folder",
    "text.db": "no SQLite database",
    "half.db": "no SQLite database",
    "other.db": "another program",
    "alembic.db": "another program",
    "pipe.db": "not a regular file",
    "/dev/null": "not a regular file",
    "dangling.db": "symlink to a file that does not exist",
    "loop.db": "symlink",
    "missing/talks.db": "does not exist; create it first",
    "text.db/talks.db": "text.db is no folder",
    "text.db/sub/talks.db": "text.db is no folder",
    "state.json": "suffix .json",
    "x.lock": "suffix .lock",
    "x.bak": "suffix .bak",
    ":memory:": "local file",
    "sqlite://": "path of a file",
    "sqlite:///:memory:": "local file",
    "postgresql+psycopg://localhost/x": "local file",
    "file:talks.db?mode=ro": "local file",
    "nul\0.db": "local file",
    "x" * 300 + ".db": "too long",
}


@each_case("read_only", [False, True])
@each_case(("target", "reason"), BAD.items(), ids=[repr(name)[:20] for name in BAD])
def test_a_bad_target_gets_its_own_error_and_nothing_is_touched(
    here: Path, target: str, reason: str, read_only: bool
) -> None:
    """Names, sizes, times and contents of everything in the folder are as they were."""
    before = snapshot(here)
    with pytest.raises(StoreTargetError, match=reason) as caught:
        CheckpointStore(target, read_only=read_only, state_file=None)
    assert snapshot(here) == before
    assert caught.value.reason in str(caught.value)


@each_case("target", ["folder.db", "text.db", "other.db", "pipe.db"])
def test_a_bad_target_is_refused_with_a_state_file_too(here: Path, target: str) -> None:
    """No state file, and no lock file, appears beside it."""
    before = snapshot(here)
    with pytest.raises(StoreTargetError):
        CheckpointStore(target)
    assert snapshot(here) == before


@each_case("options", [{"durability": "none"}, *({"lock_timeout_seconds": given} for given in (-1, 1e10, "10", None))])
def test_a_bad_option_is_refused_and_nothing_is_touched(here: Path, options: dict[str, Any]) -> None:
    """The error names it."""
    before = snapshot(here)
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        CheckpointStore("talks.db", **options)
    assert snapshot(here) == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_state_file_that_is_no_file_is_refused(here: Path, make: Any) -> None:
    """A state file that is no regular file is refused at once: not waited for, not replaced."""
    make(here / "talks.json")
    before = snapshot(here)
    for options in ({}, {"state_file": "talks.json"}, {"state_file": "/dev/null"}):
        with pytest.raises(StoreTargetError, match="not a regular file"):
            CheckpointStore("talks.db", **options)  # type: ignore[arg-type]
    assert snapshot(here) == before
    assert Path("/dev/null").is_char_device()


BAD_STATES: dict[Any, str] = {
    "": "give the path of a file",
    7: "give the path of a file",
    "nul\0.json": "give the path of a file",
    "missing/state.json": "missing does not exist; create it first",
    "text.db/state.json": "text.db is no folder",
    "text.db/sub/state.json": "text.db is no folder",
    "folder.db/../sub.json": "it is a folder, and not a regular file; name another file",
    "pipe.json": "it is a pipe, and not a regular file; name another file",
    "/dev/null": "it is a device, and not a regular file; name another file",
    "dangling.json": "it is a symlink, and not a regular file; move it away",
    "x" * 250 + ".json": "leaves no room for the files beside it; 215 bytes are the most here: shorten it",
    "x" * 300: "leaves no room for the files beside it; 215 bytes are the most here: shorten it",
}


@pytest.mark.parametrize(("name", "reason"), BAD_STATES.items(), ids=[repr(name)[:20] for name in BAD_STATES])
def test_a_bad_state_file_is_refused_before_any_work(here: Path, name: Any, reason: str) -> None:
    """The error says what is wrong and what helps, when the store opens: no chunk is paid for, and nothing is touched."""
    (here / "sub.json").mkdir()
    os.mkfifo(here / "pipe.json")
    (here / "dangling.json").symlink_to("nowhere.json")
    before = snapshot(here)
    with pytest.raises(StoreTargetError, match=reason) as caught:
        CheckpointStore("talks.db", state_file=name)
    assert "cannot be used as a state file" in str(caught.value)
    assert snapshot(here) == before


def test_a_state_file_that_may_not_be_written_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any work; a store that is only read needs no permission."""
    with CheckpointStore("talks.db", state_file=None):
        pass
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)  # root may write everywhere
    with pytest.raises(StoreTargetError, match=r"no permission to create files in .*; give a path in another folder"):
        CheckpointStore("talks.db", state_file="folder.db/state.json")
    with CheckpointStore("talks.db", state_file="folder.db/state.json", read_only=True) as store:
        assert store.jobs() == []


@pytest.mark.parametrize("name", ["talks.db", "link.json", "sub/../talks.db"])
def test_the_state_file_cannot_be_the_store_file(here: Path, name: str) -> None:
    """The state file is refused where it is the store file, by whatever name."""
    (here / "sub").mkdir()
    with CheckpointStore("talks.db", state_file=None) as store:
        store.open_job("f", total_chunks=1).complete(0, "kept")
    (here / "link.json").symlink_to("talks.db")
    before = snapshot(here)
    with pytest.raises(StoreTargetError):
        CheckpointStore("talks.db", state_file=name)
    assert snapshot(here) == before


def test_a_store_is_no_state_to_import(here: Path, open_store: Opener) -> None:
    """Reading the live file would drop the locks that SQLite holds on it."""
    (here / "link.json").symlink_to("talks.db")
    store = open_store(state_file=None)
    for name in ("talks.db", "link.json"):
        with pytest.raises(StoreTargetError):
            store.import_state(name)


def test_a_symlink_of_ones_own_is_followed(here: Path, open_store: Opener) -> None:
    """Store, lock and state file lie beside the file itself."""
    (here / "data").mkdir()
    with CheckpointStore("data/real.db") as store:
        store.open_job("f", total_chunks=1).complete(0, 1)
    (here / "link.db").symlink_to("data/real.db")
    store = open_store("link.db")
    assert store.path == here / "data" / "real.db"
    assert list(store.latest_job().results(missing="skip")) == [1]  # type: ignore[union-attr]
    assert not (here / "link.json").exists()
    assert not (here / "link.lock").exists()


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["with space.db", "per%20cent?#.db", "ünï.db", "quo'te\".db", "-dash.db", "[a].db"])
def test_any_name_that_a_file_can_have_is_a_target(here: Path, open_store: Opener, name: str) -> None:
    """A store may have any name that a file can have, even with characters of a URI, a shell or a pattern."""
    store = open_store(name)
    store.open_job("f", total_chunks=1).complete(0, 1)
    store.close()
    assert (here / name).is_file()
    with CheckpointStore(name, read_only=True) as reading:
        assert [list(job.results()) for job in reading.jobs()] == [[1]]


def test_a_url_names_a_path(here: Path) -> None:
    """``sqlite:///`` and a path, relative or absolute."""
    with CheckpointStore("sqlite:///talks.db") as store:
        assert store.path == here / "talks.db"
    with CheckpointStore(f"sqlite:///{here}/more.db") as store:
        assert store.path == here / "more.db"


def test_an_empty_file_becomes_a_store(here: Path, open_store: Opener) -> None:
    """``touch talks.db`` is no obstacle."""
    (here / "talks.db").touch()
    assert open_store().jobs() == []


def test_an_empty_database_with_the_mark_of_another_program_is_left_alone(here: Path) -> None:
    """A database without tables is no store if its ``application_id`` says that another program made it."""
    with closing(sqlite3.connect(here / "new.db")) as other:
        other.executescript("PRAGMA application_id = 7; VACUUM")
    before = snapshot(here)
    with pytest.raises(StoreTargetError, match="another program"):
        CheckpointStore(here / "new.db")
    assert snapshot(here) == before


def test_closing_twice_is_fine_and_a_closed_store_says_so(store: CheckpointStore) -> None:
    """Every later call is an error of ours."""
    job = store.open_job("f", total_chunks=1)
    store.close()
    store.close()
    for call in (job.progress, lambda: job.complete(0, 1), store.jobs, lambda: store.open_job("g", total_chunks=1)):
        with pytest.raises(StorageUnavailableError, match="closed"):
            call()


def test_a_store_that_is_never_closed_warns(here: Path) -> None:
    """A store that is dropped without ``close`` warns, and is closed."""
    store = CheckpointStore("talks.db")
    with pytest.warns(ResourceWarning, match="never closed"):
        store.__del__()
    with pytest.raises(StorageUnavailableError):
        store.jobs()


def test_the_password_of_a_server_is_in_no_message(here: Path) -> None:
    """An address that cannot be a store is named without its password: messages get into logs."""
    with pytest.raises(StoreTargetError) as refused:
        CheckpointStore("postgresql://ana:hunter2@db.example.org/talks")
    assert ("hunter2" in str(refused.value), "hunter2" in refused.value.target) == (False, False)
    assert "ana" in str(refused.value)


def test_a_refused_path_is_called_what_it_was_given_for(here: Path) -> None:
    """A backup, an export and a state file are no stores: no message tells somebody to name another store for them."""
    with CheckpointStore("talks.db") as store:
        job = store.open_job("f", total_chunks=1)
        other = store.open_job("g", total_chunks=1)
        other.export("g.json")
        with pytest.raises(StoreTargetError, match=r"none/copy\.db' cannot be used for a backup: "):
            store.backup("none/copy.db")
        with pytest.raises(StoreTargetError, match=r"g\.json' cannot be used as a state file: .* state of another"):
            job.export("g.json")
        with pytest.raises(StoreTargetError, match=r"none does not exist; create it first"):
            job.export("none/f.json")
    with pytest.raises(StoreTargetError, match=r"f\.bak' cannot be used as a state file: "):
        CheckpointStore("talks.db", state_file="f.bak")


def test_a_write_to_a_read_only_store_says_how_to_write(here: Path) -> None:
    """Calling again, which helps where a disk was away, does not help here: the message does not say so."""
    CheckpointStore("talks.db").close()
    read_only = CheckpointStore("talks.db", read_only=True)
    with read_only as store, pytest.raises(StorageUnavailableError, match="without read_only=True") as refused:
        store.open_job("f", total_chunks=1)
    assert "call again" not in str(refused.value)


# -- permissions


@pytest.fixture
def shared() -> Any:
    """A folder that other users can reach (those of pytest cannot be)."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="checkpoint-store-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow_variants
@as_root
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("case", ["file", "folder", "locked folder"])
def test_no_permission_is_a_clear_error_and_nothing_is_touched(
    shared: Path, children: Children, case: str, read_only: bool
) -> None:
    """A file, or a folder, without permission is a clear error, and nothing is touched."""
    if case != "folder":
        with CheckpointStore(shared / "talks.db") as store:
            store.open_job("f", total_chunks=1)
    shared.chmod(0o700 if case == "locked folder" else 0o755)
    before = snapshot(shared)
    printed = children.run(OPEN_AND_SAY, shared / "talks.db", read_only, user=NOBODY)
    assert printed.split()[0] in ("StoreTargetError", "StorageUnavailableError"), printed
    assert any(word in printed for word in ("ermission", "no such file", "unable to open")), printed
    assert snapshot(shared) == before


@pytest.mark.slow
@as_root
def test_a_closed_store_in_a_folder_that_cannot_be_written_can_be_read(shared: Path, children: Children) -> None:
    """Read-only needs no permission to write, and no log file."""
    with CheckpointStore(shared / "talks.db") as store:
        store.open_job("f", total_chunks=2).complete(0, 1)
    (shared / "talks.db").chmod(0o644)
    before = snapshot(shared)
    assert children.run(OPEN_AND_SAY, shared / "talks.db", True, user=NOBODY) == "opened [50.0]\n"
    assert "ermission" in children.run(OPEN_AND_SAY, shared / "talks.db", False, user=NOBODY)
    assert snapshot(shared) == before


@pytest.mark.slow
@as_root
def test_a_store_that_only_its_owner_may_read_names_the_owner(shared: Path, children: Children) -> None:
    """A reader without permission learns whose the file is, and not that something cannot be written."""
    CheckpointStore(shared / "talks.db").close()
    printed = children.run(OPEN_AND_SAY, shared / "talks.db", True, user=NOBODY)
    assert "no permission to read this file of another user (uid 0)" in printed


@as_root
def test_a_symlink_to_another_users_file_is_refused(shared: Path, children: Children) -> None:
    """A symlink to another user's file is refused for all but root, and nothing is touched."""
    (shared / "real.db").touch()
    (shared / "real.db").chmod(0o666)
    (shared / "talks.db").symlink_to("real.db")
    before = snapshot(shared)
    assert "another user" in children.run(OPEN_AND_SAY, shared / "talks.db", False, user=NOBODY)
    assert snapshot(shared) == before


# -- reading never writes


def read_everything(path: Path) -> tuple[Any, ...]:
    """Use every call that reads."""
    with CheckpointStore(path, read_only=True) as store:
        job = store.latest_job()
        assert job is not None
        assert store.job(job.job_id).job_id == job.job_id
        assert store.info()["read_only"] is True
        assert [one.job_id for one in store.jobs()] == [job.job_id]
        assert store.check() == []
        pending = [chunk.index for chunk in job.pending()]
        assert job.progress().remaining_chunks == len(pending)
        assert job.state().results() == dict(job.items())
        return pending, list(job.results(missing="skip")), job.status, job.totals("n"), job.completed_ranges()


def test_a_closed_store_is_read_without_a_trace(here: Path) -> None:
    """No file is created, changed or touched."""
    with CheckpointStore("talks.db") as store:
        store.open_job("f", total_chunks=3).complete(1, {"n": 5})
    before = snapshot(here)
    assert read_everything(here / "talks.db") == ([0, 2], [{"n": 5}], "running", {"n": 5}, [(1, 2)])
    assert snapshot(here) == before


def test_every_call_that_writes_is_refused(here: Path) -> None:
    """A read-only store refuses every call that writes with a clear error, and leaves no trace."""
    with CheckpointStore("talks.db") as store:
        job_id = store.open_job("f", total_chunks=3).job_id
    (here / "more.json").write_bytes((here / "talks.json").read_bytes())
    before = snapshot(here)
    with CheckpointStore("talks.db", read_only=True) as store:
        job = store.job(job_id)
        for call in (
            lambda: job.complete(0, 1),
            lambda: job.complete_many([(0, 1)]),
            job.pause,
            job.resume,
            job.finish,
            lambda: job.fail("x"),
            lambda: store.open_job("f", total_chunks=3),
            lambda: store.delete_job(job_id),
            lambda: store.import_state("more.json"),
            job.export,
        ):
            with pytest.raises((StorageUnavailableError, StoreTargetError)):
                call()
    assert snapshot(here) == before


def test_a_missing_store_is_not_created_by_reading(here: Path) -> None:
    """A read-only open creates no store, not even beside a state file or in an empty file."""
    (here / "empty.db").touch()
    (here / "talks.json").write_text('{"version": "1.0", "job_id": "x"}')
    before = snapshot(here)
    for name in ("talks.db", "empty.db"):
        with pytest.raises(StoreTargetError):
            CheckpointStore(name, read_only=True)
    assert snapshot(here) == before


WRITER = program(__file__, "write_beside")


@pytest.mark.slow
def test_a_live_writer_is_read_beside_without_a_trace(here: Path, children: Children) -> None:
    """While another process has the store open and waits, reading changes nothing of it."""
    process = children.start(WRITER, "quiet")
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    before = seen_from_outside(here)
    assert read_everything(here / "talks.db")[1] == [{"n": 1}]
    assert seen_from_outside(here) == before
    children.finish(process, "go\n", code=0)


@pytest.mark.slow
def test_a_busy_writer_is_read_beside_in_whole_snapshots(here: Path, children: Children) -> None:
    """Each read sees chunks and results of one moment."""
    process = children.start(WRITER, "busy")
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    with CheckpointStore("talks.db", read_only=True) as store:
        job = store.latest_job()
        assert job is not None
        for _ in range(50):
            state = job.state()
            assert len(state.completed_chunks) == len(state.processed_results) >= 1
            assert state.completed_chunks == list(range(len(state.completed_chunks)))
    process.kill()
    process.communicate()


def test_what_a_killed_writer_left_is_read_without_a_trace(here: Path, children: Children) -> None:
    """The log beside the file is read, not copied into it nor removed."""
    process = children.start(WRITER, "quiet")
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (here / "talks.db-wal").stat().st_size > 0
    before = snapshot(here)
    assert read_everything(here / "talks.db")[1] == [{"n": 1}]
    assert snapshot(here) == before


@pytest.mark.slow
def test_a_log_without_its_index_is_opened_by_a_writer(here: Path, children: Children) -> None:
    """Files that were copied from elsewhere: reading says what it cannot, writing goes on."""
    process = children.start(WRITER, "quiet")
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.kill()
    process.communicate()
    (here / "talks.db-shm").unlink()
    before = snapshot(here)
    with pytest.raises(StorageUnavailableError, match=r"its WAL has no index .*Open the store for writing once"):
        CheckpointStore("talks.db", read_only=True)
    assert snapshot(here) == before
    with CheckpointStore("talks.db") as store:
        assert list(store.open_job("f", total_chunks=9).results(missing="skip")) == [{"n": 1}]


def seen_from_outside(folder: Path) -> list[Any]:
    """Return a snapshot of the files of a live store, taken by another process."""
    source = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from pathlib import Path\n"
        "from conftest import snapshot\nprint(repr(snapshot(Path('.'))))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    return [printed]
