"""Migrate a store from any older schema to the newest, in one transaction, or not at all.

Alembic and SQLAlchemy are imported only when there is something to migrate. Alembic's ``op`` and ``context`` are one
per process, so one migration runs at a time in a process, whichever the file.
"""

from __future__ import annotations

import atexit
import filecmp
import os
import re
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib import resources
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, MigrationFailed, StoreBusy, StoreDamaged, StoreInUse
from checkpoint_store.model.store_file import RELEASED_VERSIONS
from checkpoint_store.storage.backup import copy_to, thin_out
from checkpoint_store.storage.checks.integrity import dangling
from checkpoint_store.storage.checks.same_content import contents, violations
from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.storage.connection.open_lock import who_has_open
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.opening_checks import compare_with_backup, refuse_triggers
from checkpoint_store.storage.upgrade.additions import additions_kept, refusal_of_taken_names
from checkpoint_store.storage.upgrade.way_back import RefusedError, nothing_lost
from checkpoint_store.system.files import create_private, open_to_owner
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.resources.abc import Traversable

    from alembic.config import Config
    from sqlalchemy import Connection

    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.connection.read_only import AnyDatabase

_one_at_a_time: Final = threading.RLock()


def scripts_folder() -> Path:
    """Return the folder of the migration scripts: inside the installed package, or beside it in a checkout."""
    package = resources.files("checkpoint_store")
    if not isinstance(package, Path):
        return _unpacked()
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


@cache
def _unpacked() -> Path:
    """Return a copy of the scripts, which lives as long as this process: the package is in an archive."""
    folder = Path(tempfile.mkdtemp(prefix="checkpoint-store-"))
    open_to_owner(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _unpack(resources.files("checkpoint_store") / "_migrations", folder)
    return folder


def _unpack(source: Traversable, target: Path) -> None:
    for entry in source.iterdir():
        if entry.is_dir():
            (target / entry.name).mkdir()
            open_to_owner(target / entry.name)
            _unpack(entry, target / entry.name)
        else:
            create_private(target / entry.name)  # readable under any umask
            (target / entry.name).write_bytes(entry.read_bytes())


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for running our scripts in this process, on ``connection``."""
    from alembic.config import Config  # half a second that a current store does not pay

    made = Config()
    made.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def current_version(database: AnyDatabase) -> str | None:
    """Return the revision that the file is at, or None where it has no schema of ours."""
    return database.read(_version)


def _version(connection: sqlite3.Connection) -> str | None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
        return None
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
    return version


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Alembic's own lines out of the log of the program that opens a store.

    They tell of each revision, and of plugins when Alembic is imported. One line of ours says what was done.
    """
    theirs = getLogger("alembic")
    before = theirs.propagate
    theirs.propagate = False
    try:
        yield
    finally:
        theirs.propagate = before


_REFUSAL_WORDS: Final = (
    ("cannot say what jobs say about themselves", "has no place for the metadata of jobs"),
    (", and 1 are recorded; they", ", and 1 is recorded; it"),
    (
        ", and 1 results were carried over from another job; they",
        ", and 1 result was carried over from another job; it",
    ),
    (", and 1 jobs have it; give them", ", and 1 job has it; give it"),
)
"""What a revision that has landed says, and what is said in its place."""


def upgrade(database: Database, head: str, *, keeps_copy: bool = True) -> Path | None:
    """Bring the store to ``head``; return the copy that was made before. A new store needs no copy (None).

    The caller holds the store's lock file. ``keeps_copy``: False for a store that is a copy itself.
    """
    with _quiet():
        from alembic import command  # see config()

        _refuse_taken_names(database, head)
        return run(database, head, lambda connection: command.upgrade(config(connection), head), keeps_copy=keeps_copy)


def _refuse_taken_names(database: Database, head: str) -> None:
    """Raise :class:`MigrationFailed` if a user has a part in the store under a name that a later schema needs."""
    version = current_version(database)
    if version not in RELEASED_VERSIONS:
        return
    versions = RELEASED_VERSIONS[RELEASED_VERSIONS.index(version) : RELEASED_VERSIONS.index(head) + 1]
    refusal = None
    with suppress(Exception):  # of a revision: it fails on the store, too, and is reported then
        refusal = database.read(refusal_of_taken_names, versions, upgrade_in_memory)
    if refusal is not None:
        raise MigrationFailed(database.path, version, head, refusal, None)


def upgrade_in_memory(connection: sqlite3.Connection, wanted: str) -> None:
    """Bring the tables of a connection that has a transaction open, and no file, to the schema ``wanted``."""
    with _one_at_a_time, _quiet():
        from alembic import command  # see config()

        _run_scripts(connection, lambda its: command.upgrade(config(its), wanted))


def downgrade(database: Database, wanted: str) -> Path | None:
    """Bring the store back to an older schema. A revision that would lose data refuses.

    The caller holds the store's lock file.
    """
    with _quiet():
        from alembic import command  # see config()

        return run(database, wanted, lambda connection: command.downgrade(config(connection), wanted))


def run(
    database: Database, wanted: str, migrate: Callable[[Connection], object], *, keeps_copy: bool = True
) -> Path | None:
    """Run ``migrate`` on the store under every guard: a verified copy, one transaction, checks before its commit."""
    with _one_at_a_time:
        Siblings(database.path).remove_unfinished()
        refuse_triggers(database)
        version = current_version(database)
        backup = None if version is None or not keeps_copy else Siblings(database.path).next_backup(version)
        before = next(iter(Siblings(database.path).backups()), None)
        if backup is not None:  # later, this copy is the newest, and it knows of no more than the store
            compare_with_backup(database)
        try:
            database.migrate(
                lambda connection: _checked(connection, database.path, version, migrate),
                first=lambda connection: _back_up(connection, database.path, backup, before),
            )
        except StoreBusy as error:
            others = [pid for pid in who_has_open(database.path) if pid != os.getpid()]
            raise StoreInUse(database.path, 0.0, others) from error
        except RefusedError as refusal:
            if before is not None and backup is not None and not is_there(before):
                os.replace(backup, before)
            elif backup is not None:  # nothing was tried: the copy would only push out an older one
                StoreFiles(backup).remove()
            raise MigrationFailed(database.path, version, wanted, _in_words_of(wanted, str(refusal)), None) from refusal
        except StoreDamaged:
            thin_out(database.path)
            raise
        except Exception as error:
            thin_out(database.path)
            reason = str(error) if isinstance(error, CheckpointStoreError) else f"{type(error).__name__}: {error}"
            made = backup if backup is not None and is_there(backup) else None  # there may be no room for it
            raise MigrationFailed(database.path, version, wanted, reason, made) from error
        if backup is not None:
            thin_out(database.path)
            log.info("%s was migrated from schema %s to %s; a copy is %s", database.path, version, wanted, backup)
    return backup


def _in_words_of(wanted: str, refusal: str) -> str:
    """Return the refusal of a revision on the way to a schema, with the number of that schema."""
    if wanted in RELEASED_VERSIONS:  # alembic takes a relative revision, too
        refusal = re.sub(r"^schema \S+", f"schema {wanted}", refusal)
    for before, after in _REFUSAL_WORDS:
        refusal = refusal.replace(before, after)
    return refusal


def _back_up(connection: sqlite3.Connection, path: Path, backup: Path | None, before: Path | None) -> None:
    if backup is not None:
        copy_to(connection, path, backup)
        with suppress(OSError):  # the older one cannot be read
            if before is not None and filecmp.cmp(before, backup, shallow=False):
                before.unlink()  # it would push out one that differs
                log.info("%s is the same as %s: removed", before, backup)


def _checked(
    connection: sqlite3.Connection, path: Path, version: str | None, migrate: Callable[[Connection], object]
) -> None:
    if _version(connection) != version:
        return  # another process was faster
    for table, parent in dangling(connection):
        raise StoreDamaged(path, f"its table {table} has rows whose row in {parent} is gone")
    violations_before = violations(connection)
    before = contents(connection)
    try:
        with additions_kept(connection, path), nothing_lost(connection):
            _run_scripts(connection, migrate)
    except sqlite3.OperationalError as error:
        if code_of(error) != sqlite3.SQLITE_ERROR or not _succeeds_on_a_new_store(version, migrate):
            raise
        # Such as "no such view": somebody changed the schema.
        raise StoreDamaged(path, f"its tables and views are not those of schema {version}: {error}") from error
    after = contents(connection)
    if (gone := before.keys() - after.keys()) and after:  # only a downgrade to nothing leaves no table
        raise RuntimeError(f"the table {min(gone)} is gone")
    for name, counted in before.items():
        if name in after and after[name] != counted:
            raise RuntimeError(f"the rows of {name} changed: {counted} before, {after[name]} after")
    if added := [each for each in violations(connection) if each not in violations_before]:
        raise RuntimeError(f"rows without the row that they refer to: {added[:3]}")
    (problem,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if problem != "ok":
        raise RuntimeError(f"integrity_check says: {problem}")


def _run_scripts(connection: sqlite3.Connection, migrate: Callable[[Connection], object]) -> None:
    from checkpoint_store.storage.upgrade.sqlalchemy_connection import sqlalchemy_connection  # imports SQLAlchemy

    with sqlalchemy_connection(connection) as its:
        try:
            migrate(its)
        except RuntimeError as refusal:
            raise RefusedError(str(refusal)) from refusal


def _succeeds_on_a_new_store(version: str | None, migrate: Callable[[Connection], object]) -> bool:
    """Return whether the revisions themselves are sound, from the schema ``version`` on."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        new.execute("BEGIN")
        try:
            if version is not None:
                upgrade_in_memory(new, version)  # a downgrade has no way down from nothing
            _run_scripts(new, migrate)
        except Exception as error:  # whatever a revision raises
            log.debug("the revisions fail on a new store, too: %s", error)
            return False
    return True
