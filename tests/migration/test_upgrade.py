"""From an older schema to a newer one: whole or not at all, with a copy, at any prompt."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from conftest import ROOT, Children, program, snapshot

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    MigrationFailed,
    SchemaTooNew,
    SchemaTooOld,
    StoreRecovered,
    StoreTargetError,
    migrate,
    migration_status,
    recover_store,
)
from checkpoint_store.model.store_file import RELEASED_VERSIONS, SCHEMA_VERSION

from . import future, make_dump
from .revisions import known_revisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fork_server import ForkServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with jobs in it."""
    folder = tmp_path / "store"
    folder.mkdir()
    make_dump.make(folder / "talks.db")
    for backup in folder.glob("*.backup-*"):
        backup.unlink()
    return folder / "talks.db"


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Let the library know a revision more, whose upgrade ends with some code; returns its scripts."""

    def install(body: str = "pass") -> Path:
        scripts = future.make_scripts(tmp_path, body)
        future.install(scripts, monkeypatch.setattr)
        return scripts

    return install


def contents(path: Path) -> str:
    return make_dump.dump(path)


# -- in the library


def test_an_older_file_is_upgraded_on_opening(path: Path, next_version: Any) -> None:
    """An older file is upgraded when it is opened, with a private copy of it beside it, and nothing is lost."""
    before = contents(path)
    next_version()
    with CheckpointStore(path) as store:
        assert store.info()["schema_version"] == future.NEXT
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
        assert list(store.latest_job().results(missing="skip")) == [
            make_dump.clean(make_dump.CHUNKS[i]) for i in (0, 1, 3)
        ]  # type: ignore[union-attr]
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT DISTINCT priority FROM jobs").fetchall() == [(7,)]
    (backup,) = path.parent.glob("talks.db.backup-*")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert contents(backup).splitlines()[3:] == before.splitlines()[3:]


def test_an_upgraded_file_is_resumed(path: Path, next_version: Any) -> None:
    """Only what was left is pending."""
    next_version()
    with CheckpointStore(path) as store:
        (job,) = store.jobs(file_name="lecture.srt")
        assert [chunk.index for chunk in job.pending()] == [2, 4]
        job.complete(2, "done")
        assert job.progress().completed_chunks == 4


def test_migrate_false_refuses_an_older_file_untouched(path: Path, next_version: Any) -> None:
    """``migrate=False`` leaves an older file untouched, and its error names the call that upgrades the file."""
    next_version()
    before = snapshot(path.parent)
    with pytest.raises(SchemaTooOld) as caught:
        CheckpointStore(path, migrate=False)
    assert (caught.value.found, caught.value.needed) == (RELEASED_VERSIONS[-1], future.NEXT)
    assert f"migrate({str(path)!r})" in str(caught.value)
    assert snapshot(path.parent) == before


def test_read_only_refuses_an_older_file_untouched(path: Path, next_version: Any) -> None:
    """Reading never migrates."""
    next_version()
    before = snapshot(path.parent)
    with pytest.raises(SchemaTooOld):
        CheckpointStore(path, read_only=True)
    assert snapshot(path.parent) == before


@pytest.mark.slow
def test_asking_whether_to_migrate_writes_nothing(path: Path, next_version: Any) -> None:
    """``migration_status`` says from where to where."""
    current = migration_status(path)
    assert (current.current, current.head, current.pending) == (SCHEMA_VERSION, SCHEMA_VERSION, ())
    next_version()
    before = snapshot(path.parent)
    status = migration_status(path)
    assert (status.current, status.head, status.pending) == (SCHEMA_VERSION, future.NEXT, (future.NEXT,))
    assert snapshot(path.parent) == before
    assert migrate(path).pending == (future.NEXT,)
    assert migration_status(path).pending == ()


def test_a_newer_file_is_refused_untouched(path: Path) -> None:
    """Every way of opening refuses a newer file, untouched, with both versions and the remedy."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '99.0'")
        raw.commit()
    before = snapshot(path.parent)
    for call in (
        lambda: CheckpointStore(path),
        lambda: CheckpointStore(path, migrate=False),
        lambda: CheckpointStore(path, read_only=True),
        lambda: migrate(path),
        lambda: migration_status(path),
        lambda: recover_store(path),
    ):
        with pytest.raises(SchemaTooNew) as caught:
            call()
        assert (caught.value.found, caught.value.known) == ("99.0", SCHEMA_VERSION)
        assert "pip install --upgrade" in str(caught.value)
    assert snapshot(path.parent) == before


def test_migration_configures_no_logging(tmp_path: Path) -> None:
    """The host program's logging is its own."""
    root = logging.getLogger()
    before = (
        root.level,
        list(root.handlers),
        logging.getLogger("alembic").level,
        logging.getLogger("sqlalchemy").level,
    )
    CheckpointStore(tmp_path / "new.db").close()
    after = (root.level, list(root.handlers), logging.getLogger("alembic").level, logging.getLogger("sqlalchemy").level)
    assert after == before


FAILURES = {
    "raises": "raise ValueError('in the middle')",
    "bad sql": "op.execute('UPDATE nowhere SET x = 1')",
    "interrupted": "raise KeyboardInterrupt",
    "loses a row": "op.execute('DELETE FROM chunk_results WHERE chunk_index = 1')",
    "changes a result": "op.execute(\"UPDATE chunk_results SET result = '1' WHERE chunk_index = 1\")",
    "drops a table": "op.execute('DROP TABLE chunk_results')",
    "leaves orphans": "op.execute(\"UPDATE jobs SET job_id = job_id || 'x'\")",
    "refers to no row": "op.execute('CREATE TABLE strays (job TEXT REFERENCES jobs (job_id))'); op.execute(\"INSERT INTO strays VALUES ('none')\")",
    "loses chunks": "op.execute('DELETE FROM completed_chunks')",
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
def test_a_failing_upgrade_leaves_the_file_as_it_was(path: Path, next_version: Any, body: str) -> None:
    """The error says what happened and where the copy is; when the cause is gone, the next open succeeds."""
    before = contents(path)
    scripts = next_version(body)
    with pytest.raises((MigrationFailed, KeyboardInterrupt)) as caught:
        CheckpointStore(path)
    assert contents(path) == before
    (backup,) = path.parent.glob("talks.db.backup-*")
    if isinstance(caught.value, MigrationFailed):
        assert (caught.value.found, caught.value.wanted) == (SCHEMA_VERSION, future.NEXT)
        assert caught.value.backup == str(backup)
        assert str(backup) in str(caught.value)
    revision = scripts / "versions" / "9_9_future.py"
    revision.write_text(revision.read_text().replace(body, "pass"))
    with CheckpointStore(path) as store:
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
        assert store.check() == []


REBUILD = """driver = op.get_bind().exec_driver_sql
    made = driver("SELECT sql FROM sqlite_master WHERE name = 'jobs'").scalar_one()
    driver(made.replace("TABLE jobs", "TABLE rebuilt", 1).replace('TABLE "jobs"', "TABLE rebuilt", 1))
    driver("INSERT INTO rebuilt SELECT * FROM jobs")
    driver("DROP TABLE jobs")
    driver("ALTER TABLE rebuilt RENAME TO jobs")"""


@pytest.mark.slow
def test_a_table_that_others_refer_to_can_be_rebuilt(path: Path, next_version: Any) -> None:
    """Dropping it would take along every row that refers to it, without an error; and views would forbid it."""
    next_version(REBUILD)
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM attempts").fetchone() == (5,)
        assert raw.execute("SELECT count(*) FROM job_progress").fetchone() == (3,)


TO_COME = program(__file__, "upgrade_to_come")


def test_a_killed_upgrade_leaves_the_file_as_it_was(path: Path, tmp_path: Path, children: Children) -> None:
    """SIGKILL in the middle; this version opens the file, and so does the next one."""
    before = contents(path)
    scripts = future.make_scripts(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    children.run(TO_COME, scripts, path, code=-9)
    killed = path.parent.parent / "killed"
    shutil.copytree(path.parent, killed)
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
    assert contents(path).splitlines()[3:] == before.splitlines()[3:]
    revision = scripts / "versions" / "9_9_future.py"
    revision.write_text(revision.read_text().replace("os.kill(os.getpid(), signal.SIGKILL)", "pass"))
    children.run(TO_COME, scripts, killed / "talks.db")
    with closing(sqlite3.connect(killed / "talks.db")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(future.NEXT,)]
        assert raw.execute("SELECT count(*) FROM chunk_results").fetchall() == [(5,)]


@pytest.mark.slow
def test_many_processes_upgrade_one_file_once(path: Path, tmp_path: Path, children: Children) -> None:
    """No error; one copy; every one of them works on."""
    scripts = future.make_scripts(tmp_path)
    assert children.together(4, TO_COME, scripts, path) == [f"3 {future.NEXT}\n"] * 4
    assert len(list(path.parent.glob("talks.db.backup-*"))) == 1


@pytest.mark.slow
def test_an_older_file_with_a_log_but_no_index_is_upgraded(path: Path, next_version: Any, children: Children) -> None:
    """An older file with a WAL and without an index, as copied from a switched-off machine, is upgraded."""
    children.run(program(__file__, "killed_with_late"), path, code=-9)
    path.with_name("talks.db-shm").unlink()
    next_version()
    with CheckpointStore(path) as store:
        assert store.recovery is None
        assert store.latest_job().result(2) == "late"  # type: ignore[union-attr]
        assert store.info()["schema_version"] == future.NEXT


# -- at the prompt


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a checkout has for ``alembic``."""
    root = tmp_path / "a checkout"
    root.mkdir()
    shutil.copytree(ROOT / "migrations", root / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", root)
    return root


ALEMBIC = "import sys; from alembic.config import main; sys.dont_write_bytecode = True; main(sys.argv[1:], 'alembic')"


class Alembic(Protocol):
    """Runs the command in the root of a checkout, expects this exit code, and returns all that was printed."""

    def __call__(self, *words: object, code: int = ...) -> str: ...


@pytest.fixture
def alembic(checkout: Path, fork_server: Callable[[], ForkServer]) -> Iterator[Alembic]:
    """Run Alembic's command in the checkout, in a fork: what ``-m alembic`` calls."""
    children = Children(checkout, fork_server)

    def run(*words: object, code: int = 0) -> str:
        process = children.start(ALEMBIC, *words)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == code, output + errors
        assert "Traceback" not in errors
        return output + errors

    yield run
    children.end_all()


@pytest.mark.slow
def test_up_down_up_with_rows(path: Path, alembic: Alembic) -> None:
    """A copy is kept before each change; the rows of a store that was taken down are in it. Attempts are not lost so."""
    at = ("-x", f"store={path}")
    whole = contents(path)
    with pytest.raises(AssertionError, match="5 are recorded; they would be lost"):
        alembic(*at, "downgrade", "base")
    assert contents(path) == whole
    for backup in path.parent.glob("talks.db.backup-*"):
        backup.unlink()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DELETE FROM attempts")
        raw.commit()
    before = contents(path)
    assert "talks.db.backup-" in alembic(*at, "downgrade", "base")
    assert contents(path).count("CREATE TABLE") == 1
    (backup,) = path.parent.glob("talks.db.backup-*")
    alembic(*at, "upgrade", "head")
    assert rows(path) == rows(path.parent.parent / "empty.db", made_by=CheckpointStore)
    path.unlink()
    shutil.copy(backup, path)
    assert contents(path).splitlines()[3:] == before.splitlines()[3:]
    with CheckpointStore(path) as store:
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("revision", "lacking"), [("1.0", "1.0"), ("base", "1.0")])
def test_a_refusal_of_alembic_names_the_revision(path: Path, alembic: Alembic, revision: str, lacking: str) -> None:
    """The error says which revision was asked for, and which schema has no place for the rows."""
    said = alembic("-x", f"store={path}", "downgrade", revision, code=1)
    assert f"could not be brought from schema {SCHEMA_VERSION} to {revision}: schema {lacking} has no place for" in said


@pytest.mark.slow
def test_jobs_that_alembic_dropped_come_back(path: Path, alembic: Alembic) -> None:
    """``downgrade base`` is no way to delete a job: its own backup brings all of them back, and says so."""
    at = ("-x", f"store={path}")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DELETE FROM attempts")
        raw.commit()
    alembic(*at, "downgrade", "base")
    alembic(*at, "upgrade", "head")
    with pytest.warns(StoreRecovered, match="knows of more completed chunks"):
        store = CheckpointStore(path)
    with store:
        assert [job.progress().completed_chunks for job in store.jobs()] == [3, 1, 1]
        store.delete_job(store.jobs()[0].job_id)
    with CheckpointStore(path) as store:
        assert [job.progress().completed_chunks for job in store.jobs()] == [1, 1]


@pytest.mark.slow
def test_one_revision_up_down_up_with_rows(path: Path, checkout: Path, alembic: Alembic, tmp_path: Path) -> None:
    """Rows stay where a revision can be taken back."""
    shutil.rmtree(checkout / "migrations")
    future.make_scripts(checkout)
    at = ("-x", f"store={path}")
    before = rows(path)
    alembic(*at, "upgrade", "head")
    assert rows(path) != before
    with pytest.raises(SchemaTooNew):
        CheckpointStore(path)


def rows(path: Path, made_by: Callable[[Path], CheckpointStore] | None = None) -> list[str]:
    if made_by is not None:
        made_by(path).close()
    return [line for line in contents(path).splitlines() if "jobs" in line or "chunk" in line]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["current"], ["check"], ["history"], ["heads"], ["show", "head"]])
def test_reading_commands_write_nothing(path: Path, checkout: Path, alembic: Alembic, words: list[str]) -> None:
    """Alembic's reading commands write neither in the store's folder nor in the checkout."""
    before, checkout_before = snapshot(path.parent), snapshot(checkout)
    alembic("-x", f"store={path}", *words)
    assert snapshot(path.parent) == before
    assert snapshot(checkout) == checkout_before


@pytest.mark.slow
def test_current_and_check_say_where_a_store_stands(path: Path, alembic: Alembic) -> None:
    """``current`` names the head and ``check`` finds nothing to do."""
    assert f"{SCHEMA_VERSION} (head)" in alembic("-x", f"store={path}", "current")
    assert "No new upgrade operations" in alembic("-x", f"store={path}", "check")


@pytest.mark.slow
def test_the_default_store_is_the_one_here(checkout: Path, alembic: Alembic) -> None:
    """``upgrade head`` creates ``.processing_state.db`` here, and private."""
    alembic("upgrade", "head")
    made = checkout / ".processing_state.db"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    with CheckpointStore(made, state_file=None, migrate=False) as store:
        assert store.jobs() == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [["current"], ["check"], ["downgrade", "base"], ["stamp", "head"]])
def test_commands_on_a_missing_store_create_none(checkout: Path, alembic: Alembic, words: list[str]) -> None:
    """Alembic's commands on a missing store create no file, and say in a line what to do."""
    printed = alembic(*words, code=1)
    assert "no such file" in printed
    assert not list(checkout.glob(".processing_state.db*"))


@pytest.mark.slow
def test_a_strangers_database_is_refused_untouched(alembic: Alembic, tmp_path: Path) -> None:
    """Alembic's commands leave the database of another program untouched."""
    folder = tmp_path / "other"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "other.db")) as raw:
        raw.execute("CREATE TABLE people (name TEXT)")
        raw.commit()
    before = (folder / "other.db").read_bytes()
    for words in (["upgrade", "head"], ["stamp", "head"]):
        assert "another program" in alembic("-x", f"store={folder / 'other.db'}", *words, code=1)
    assert (folder / "other.db").read_bytes() == before


@pytest.mark.slow
def test_a_failing_upgrade_of_a_new_file_leaves_none(checkout: Path, alembic: Alembic) -> None:
    """What never became a store is taken away again."""
    shutil.rmtree(checkout / "migrations")
    future.make_scripts(checkout, "raise ValueError('in the middle')")
    assert "in the middle" in alembic("upgrade", "head", code=1)
    assert not list(checkout.glob(".processing_state.db*"))


@pytest.mark.slow
def test_sql_is_printed_without_a_store(checkout: Path, alembic: Alembic) -> None:
    """``upgrade head --sql`` prints the statements and needs no store."""
    assert "CREATE TABLE jobs" in alembic("upgrade", "head", "--sql")
    assert not list(checkout.glob(".processing_state*"))


# -- in an installed package


def test_scripts_of_an_installed_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``checkpoint_store/_migrations`` where there is one, else the checkout's; a % in the path is no matter."""
    from checkpoint_store.storage.upgrade import migrate as module

    package = tmp_path / "site %d" / "checkpoint_store"
    package.mkdir(parents=True)
    monkeypatch.setattr(module.resources, "files", lambda _name: package)
    assert module.scripts_folder() == package.parent / "migrations"
    shutil.copytree(ROOT / "migrations", package / "_migrations", ignore=shutil.ignore_patterns("__pycache__"))
    assert module.scripts_folder() == package / "_migrations"
    assert known_revisions(module.config()) == RELEASED_VERSIONS
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.info()["schema_version"] == SCHEMA_VERSION


def test_missing_target_has_no_status(tmp_path: Path) -> None:
    """A clear error, and nothing is created."""
    for call in (lambda: migration_status(tmp_path / "no.db"), lambda: migrate(tmp_path / "no.db")):
        with pytest.raises(StoreTargetError):
            call()
    assert isinstance(StoreTargetError("x", "y"), CheckpointStoreError)
    assert list(tmp_path.iterdir()) == []
