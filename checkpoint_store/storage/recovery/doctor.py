"""The doctor: a report on a store, the files beside it and the machine. It reads only."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from checkpoint_store.errors import (
    CheckpointStoreError,
    SchemaTooNew,
    SchemaTooOld,
    StoreDamaged,
    StoreTargetError,
    size_text,
)
from checkpoint_store.storage.checks import integrity
from checkpoint_store.storage.connection.open_lock import alone, who_has_open
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files import stand_ins
from checkpoint_store.storage.files.names import StoreFiles, state_backup, state_copies
from checkpoint_store.storage.files.sibling_check import refuse_unreadable, why_unwritable
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.runner_lock import probe, runner_lock_path, runner_lock_paths
from checkpoint_store.storage.statements.attempts import runners as runner_statements
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.target import EMPTY, check_version, inspect, missing_from
from checkpoint_store.system.files import free_bytes, has_no_inode, storage_errors
from checkpoint_store.system.paths import file_system, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkpoint_store.storage.records import records


Level = Literal["ok", "warning", "problem"]
_FIXED: Final = (3, 51, 3)
_BACK_PORTED: Final = ((3, 50, 7), (3, 44, 6))
_SPACE_BYTES_MIN: Final = 64 * 1024 * 1024
TIMEOUT_SECONDS: Final = 10.0
_CONTENTS: Final = "contents"
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_AWAY: Final = "move it away, and bring the store back from its copies with"
_OF_A_CONTAINER: Final = frozenset({"overlay", "aufs"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a doctor's report."""

    level: Level
    what: str
    """What was looked at, such as ``"free space"``."""
    says: str
    """What the doctor found."""
    remedy: str | None = None
    """What to do, most often as a line to type; None if nothing is to be done."""


def findings(path: Path, state_file: Path, on_progress: integrity.OnProgress | None = None) -> list[Finding]:
    """Return all findings about the store at ``path``."""
    integrity.check_listener(on_progress)
    contents = list(_contents(path, state_file, on_progress))
    is_sound = any((finding.level, finding.what) == ("ok", _CONTENTS) for finding in contents)
    with storage_errors(path):
        return [
            *_sqlite(),
            *_file_system(path),
            *_permissions(path, state_file),
            *_writing(path),
            *_users(path),
            *contents,
            *_strays(path, is_sound=is_sound),
            *_backups(path, is_sound=is_sound),
            *_room(path, state_file),
            *_space(path),
        ]


def _sqlite() -> Iterator[Finding]:
    version = sqlite3.sqlite_version_info
    sound = version >= _FIXED or any(version[:2] == fixed[:2] and version >= fixed for fixed in _BACK_PORTED)
    says = f"SQLite {sqlite3.sqlite_version}"
    if sound:
        yield Finding("ok", "SQLite", f"{says}: has the fix for the WAL-reset bug")
    else:
        yield Finding(
            "ok",
            "SQLite",
            f"{says} has the WAL-reset bug; it cannot happen here, because no checkpoint runs beside a commit",
            "programs other than this library should not write to the store",
        )


def _file_system(path: Path) -> Iterator[Finding]:
    kind = file_system(path) or "unknown"
    if kind in _IN_MEMORY:
        yield Finding("warning", "file system", f"{kind}: the store is in memory, and gone when the machine restarts",
                      "move the store to a folder on a disk")  # fmt: skip
    elif kind in _OF_A_CONTAINER:
        yield Finding("warning", "file system", f"{kind}: the store is in a container, and gone with that container",
                      "mount a folder of the host, and keep the store there")  # fmt: skip
    elif journal_mode_for(path) == "wal":
        yield Finding("ok", "file system", kind)
    else:
        says = f"{kind}: other machines may write there, so a rollback journal is used, and two runs may harm the store"
        yield Finding("warning", "file system", f"{says} if the locks of {kind} are unsound",
                      "move the store to a local disk (ext4): its locks are sound, and the WAL is faster")  # fmt: skip


def _permissions(path: Path, state_file: Path) -> Iterator[Finding]:
    wrong = []
    files = StoreFiles(path)
    for name in (*files.own, *state_copies(state_file), *Siblings(path).backups(), *runner_lock_paths(path)):
        with suppress(OSError):
            mode = stat.S_IMODE(name.stat().st_mode)
            if mode & 0o077:
                wrong.append(f"{name.name} is {mode:04o}")
    if wrong:
        no_modes = "the file system keeps no modes: mount it with umask=077, or move the store"
        remedy = f"chmod 600 these files; if that changes nothing, {no_modes}"
        yield Finding("warning", "permissions", ", ".join(wrong), remedy)
    else:
        yield Finding("ok", "permissions", "readable by their owner alone")


def _writing(path: Path) -> Iterator[Finding]:
    """Report why nobody can record anything in a store that can be read."""
    if not os.access(path, os.R_OK | os.W_OK):
        reason, remedy = why_unwritable(path)
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        reason, remedy = f"no permission to create files in {path.parent}", "give yourself permission to write there"
    else:
        return
    yield Finding("warning", "writing", f"{reason}: nothing can be recorded now", remedy)


def _users(path: Path) -> Iterator[Finding]:
    with alone(path, create=False) as free:
        pass
    who = "" if free else ", ".join(map(str, who_has_open(path)))
    says = f"open in process {who}" if who else "open in a process that does not show here"
    yield Finding("ok", "in use", "no process has it open" if free else says)


def _contents(path: Path, state_file: Path, on_progress: integrity.OnProgress | None) -> Iterator[Finding]:
    repair = f"recover_store({str(path)!r})"
    database = ReadOnlyDatabase(path, lock_timeout_seconds=TIMEOUT_SECONDS)
    try:
        refuse_unreadable(path)
        version = inspect(database, (state_file,))
        if version == EMPTY:
            yield _empty(path, state_file, repair)
            return
        check_version(path, version)
        yield Finding("ok", "schema", version)
        yield from _journal(path)
        yield from _runners(database)
        problems = integrity.check(database, on_progress)
    except SchemaTooOld as error:
        says = f"{error.found}; this version works with {error.needed}"
        remedy = f"the next open upgrades it, and so does: migrate({str(path)!r})"
        yield Finding("warning", "schema", says, remedy)
        return
    except StoreTargetError as error:  # a sound store that may not be read, or the file of another program
        reason, _, remedy = error.reason.partition("; ")
        yield Finding(
            "problem", _CONTENTS, reason, remedy or f"name another file. If it was a store, {_AWAY}: {repair}"
        )
        return
    except SchemaTooNew as error:
        says = f"{error.found}, newer than {error.known}, the newest that this version of checkpoint-store knows"
        yield Finding("problem", "schema", says, "pip install --upgrade checkpoint-store")
        return
    except StoreDamaged as error:
        yield Finding("problem", _CONTENTS, f"{_place(error)}: {error.reason}", repair)
        return
    except CheckpointStoreError as error:  # it says nothing of the contents, and what helps stands in its message
        yield Finding("problem", _CONTENTS, str(error))
        return
    for problem in problems:
        yield Finding("problem", _CONTENTS, str(problem), repair)
    if not problems:
        yield Finding("ok", _CONTENTS, "structure, references, counts and the digest of every result are sound")


def _place(damaged: StoreDamaged) -> str:
    job = "" if damaged.job_id is None else f", job {damaged.job_id}"
    chunk = "" if damaged.chunk_index is None else f", chunk {damaged.chunk_index}"
    return f"{damaged.path}{job}{chunk} is damaged"


def _empty(path: Path, state_file: Path, repair: str) -> Finding:
    lost = missing_from(path, state_copies(state_file))
    if lost is not None:
        return Finding("problem", _CONTENTS, lost, repair)
    return Finding("warning", _CONTENTS, "the file is empty", "nothing to do: the next open makes a store of it")


def _journal(path: Path) -> Iterator[Finding]:
    says = f"{journal_mode_for(path)}; by default each commit is synced"
    says += ", which helps no store in memory" if file_system(path) in _IN_MEMORY else " and survives a power cut"
    yield Finding("ok", "journal", says)
    with suppress(OSError):
        size = StoreFiles(path).wal.stat().st_size
        with alone(path, create=False) as free:
            pass
        if size and free:
            yield Finding(
                "warning",
                "log",
                f"{size_text(size)} were left by a run that did not end cleanly",
                "nothing to do: the next open takes them in",
            )


def _runners(database: ReadOnlyDatabase) -> Iterator[Finding]:
    """Report the runners at work, and the lock files of dead runners: only the locks tell the two apart."""
    path = database.path

    def read(connection: sqlite3.Connection) -> tuple[list[records.Runner], dict[str, str]]:
        jobs = job_statements.list_jobs(connection, path, passed_over=[])
        return runner_statements.runners_at_work(connection), {job.job_id: job.file_name for job in jobs}

    known, files = database.read(read)
    alive = {runner.lock_file for runner in known if probe(runner_lock_path(path, runner.lock_file)) is None}
    for runner in known:
        if runner.lock_file in alive:
            alone = ", which it has for itself" if runner.exclusive else ""
            job = f"job {runner.job_id[:8]} ({files[runner.job_id]}){alone}"
            says = f"{runner.runner_id}, process {runner.pid} on {runner.host}: {job}, since {runner.started_at}"
            yield Finding("ok", "runner", says)
    if not alive:
        yield Finding("ok", "runners", "none is at work")
    dead = [lock.name for lock in runner_lock_paths(path) if probe(lock) is not None]
    if dead:
        says = f"{', '.join(dead)}: left by {'a run' if len(dead) == 1 else 'runs'} that did not end cleanly"
        yield Finding("warning", "runner locks", says, "nothing to do: the next open sweeps them")


def _strays(path: Path, *, is_sound: bool) -> Iterator[Finding]:
    """Report the files that were left over. A recovery of a damaged store may need them."""
    strays = (*Siblings(path).strays(), *stand_ins.left_of(path))
    names = [stray.name if stray.parent == path.parent else str(stray) for stray in strays]
    if names:
        remedy = f"once you need nothing from those that were moved aside: CheckpointStore({str(path)!r}).prune()"
        yield Finding("warning", "left-over files", ", ".join(names), remedy if is_sound else None)
    else:
        yield Finding("ok", "left-over files", "none")


def _backups(path: Path, *, is_sound: bool) -> Iterator[Finding]:
    """Report the backups. A damaged store has to be recovered before it is copied."""
    backups = Siblings(path).backups()
    if backups:
        yield Finding("ok", "backups", f"{len(backups)}, the newest is {backups[0].name}")
    else:
        remedy = f"make one now: CheckpointStore({str(path)!r}).backup(destination)" if is_sound else None
        yield Finding("warning", "backups", "none; the next one is made when work on a job ends", remedy)


def _room(path: Path, state_file: Path) -> Iterator[Finding]:
    """Report the sizes of the files of the store."""
    files, beside = StoreFiles(path), Siblings(path)
    parts = {
        "store": [path],
        "log": list(files.of_sqlite),
        "backups": beside.backups(),
        "state file": [state_file],
        "the one before": [state_backup(state_file)],
        "left-over files": beside.strays(),
        "unrecorded results": beside.unrecorded(),
    }
    statuses = {name: filter(None, map(status_of, paths)) for name, paths in parts.items()}
    sizes = {name: sum(status.st_size for status in its) for name, its in statuses.items()}
    parts_text = ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items() if size)
    yield Finding("ok", "room", ": ".join(filter(None, (size_text(sum(sizes.values())), parts_text))))


def _space(path: Path) -> Iterator[Finding]:
    free, size = free_bytes(path), path.stat().st_size
    if free is None:
        yield Finding("warning", "free space", "unknown")
    elif has_no_inode(path):
        says = f"{size_text(free)}, and no inode for another file: nothing can be recorded now"
        yield Finding("warning", "free space", says, "delete files there")
    elif free < max(_SPACE_BYTES_MIN, size):
        yield Finding("warning", "free space", f"{size_text(free)}, and the store has {size_text(size)}", "make room")
    else:
        yield Finding("ok", "free space", f"{size_text(free)}; the store has {size_text(size)}")
