"""The maintenance of a store that is not open: migrate, restore, recover, doctor."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkpoint_store.errors import InvalidArgumentError, StoreRecovered
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.records import chunks_text
from checkpoint_store.model.store_file import RELEASED_VERSIONS, SCHEMA_VERSION, check_lock_timeout
from checkpoint_store.state_file.exporting import resolve_state_file
from checkpoint_store.state_file.reader import refuse_planted_state, refuse_stranger
from checkpoint_store.storage.closed_store import ClosedStore
from checkpoint_store.storage.files.names import StoreFiles, state_copies
from checkpoint_store.storage.files.sibling_check import refuse_foreign
from checkpoint_store.storage.recovery.doctor import TIMEOUT_SECONDS, Finding, findings
from checkpoint_store.storage.target import no_store, resolve
from checkpoint_store.store import CheckpointStore
from checkpoint_store.system.log import log_and_warn, warn_caller
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.storage.recovery.recover import RecoveryReport
    from checkpoint_store.storage.recovery.restore import LeftBehind


def _closed_store(
    target: str | os.PathLike[str], state_file: str | os.PathLike[str] | None, lock_timeout_seconds: float
) -> ClosedStore:
    path = resolve(target)
    states = state_copies(_state_file(path, state_file))
    for copy in states:
        refuse_planted_state(copy)
    return ClosedStore(path, states, lock_timeout_seconds=lock_timeout_seconds)


def _state_file(path: Path, state_file: str | os.PathLike[str] | None) -> Path:
    return StoreFiles(path).state_file if state_file is None else resolve_state_file(state_file, path)


def recover_store(
    target: str | os.PathLike[str],
    *,
    state_file: str | os.PathLike[str] | None = None,
    accept_loss: bool = False,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> RecoveryReport:
    """Make a store anew from every surviving copy: its readable rows, its backups, its state file and ``.bak``.

    The files that were there are moved aside as ``NAME.corrupt-TIME``. The new store is durable when this returns.

    Args:
        target: the path of the store file, or ``sqlite:///PATH``.
        state_file: the state file of the store; by default beside the store file, with the suffix ``.json``.
        accept_loss: go on without what no copy has. The chunks that are lost are pending again.
        lock_timeout_seconds: how long to wait for the processes that have the store open.

    Raises:
        StoreDamaged: something that a copy knows of would be lost and ``accept_loss`` is not set. Nothing was changed.
        SchemaTooNew: a newer version of this library wrote the file. Nothing was changed.
        StoreTargetError: ``target`` is another program's file, there is neither a store nor a copy, no state file can
            be at ``state_file``, or this process may not read a file. Nothing was changed, and nothing created.
        StoreInUse: somebody had the store open for ``lock_timeout_seconds``. Nothing was changed.
    """
    accept_loss = checked_flag("accept_loss", accept_loss)
    closed = _closed_store(target, state_file, lock_timeout_seconds)
    report = closed.recover(accept_loss=accept_loss)
    with CheckpointStore(closed.path, state_file=closed.state_files[0]) as store:
        job = store.current_job()
        if job is not None:
            job.export()
    return report


def restore_store(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    state_file: str | os.PathLike[str] | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> tuple[Path, ...]:
    """Put the backup ``source`` in the place of the store ``target``, and return the files moved aside for it.

    The state file follows: the earlier state file becomes its ``.bak``. If the replaced store has completed chunks that
    the backup lacks, or newer results of chunks that were done again, a ``UserWarning`` says how many, and how to bring
    them back before they are done again.

    The store has the schema of ``source``. An older version of this library can open a copy of an older schema, which
    an upgrade left; the next open by this version upgrades it. Only then does the state file follow.

    Args:
        source: the path of the backup. It is only read.
        target: the path of the store file, or ``sqlite:///PATH``.
        state_file: the state file of the store; by default beside the store file, with the suffix ``.json``.
        lock_timeout_seconds: how long to wait for the processes that have the store open.

    Raises:
        StoreTargetError: ``source`` is no store file, ``target`` is something else, or no state file can be at
            ``state_file``. Nothing was changed.
        StoreInUse: somebody had the store open for ``lock_timeout_seconds``. Nothing was changed.
        StoreDamaged: ``source`` is damaged. Nothing was changed.
    """
    origin, store = resolve(source), _closed_store(target, state_file, lock_timeout_seconds)
    path = store.path
    backup = store.check_backup(origin)
    refuse_foreign(path)
    for copy in store.state_files:  # they are replaced
        refuse_stranger(copy)
    restored = store.restore(backup)
    if backup.is_current:
        _write_state_file(path, store.state_files[0])
    if any(restored.left_behind):  # last: where warnings are errors, all is done
        _warn_of_left_behind(restored.left_behind, origin, path, str(restored.moved_aside[0]))
    return restored.moved_aside


def _warn_of_left_behind(left_behind: LeftBehind, origin: Path, path: Path, replaced: str) -> None:
    lacking, redone = left_behind
    to_store, notices = ("--store", str(path)), []
    if lacking:
        completed = f"{chunks_text(lacking)} that the replaced store had completed {'is' if lacking == 1 else 'are'}"
        remedy = "To bring them back, merge that store before the next run (CheckpointStore.merge)"
        line = shlex.join(["checkpoint-store", "merge", replaced, *to_store])
        notices.append(f"{completed} not in the backup {origin}. {remedy}: {line}")
    if redone:
        newer = f"{chunks_text(redone)} {'has' if redone == 1 else 'have'} a newer result in the replaced store"
        remedy = "merge does not take it. To go back to the replaced store"
        line = shlex.join(["checkpoint-store", "restore", replaced, *to_store])
        notices.append(f"{newer} than in the backup {origin}, and {remedy}: {line}")
    notice = "\n".join(notices)
    log_and_warn(notice, UserWarning)


def _write_state_file(path: Path, state_file: Path) -> None:
    """Write the state file of a restored store. Not for a store of an older schema, which opening would upgrade."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.current_job()
    if job is not None:
        with CheckpointStore(path, state_file=state_file) as store:
            store.job(job.job_id).export()


# -- doctor


def doctor(
    target: str | os.PathLike[str],
    *,
    state_file: str | os.PathLike[str] | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> list[Finding]:
    """Return all findings about the health of a store, without writing anything.

    Args:
        target: the path of the store file, or ``sqlite:///PATH``.
        state_file: the state file of the store; by default beside the store file, with the suffix ``.json``.
        on_progress: a function that is called with the number of jobs that were checked, and the number of all jobs.

    Raises:
        StoreTargetError: no store is at ``target``.
    """
    path = resolve(target)
    if not is_there(path):
        raise no_store(path, state_copies(_state_file(path, state_file)))
    return findings(path, _state_file(path, state_file), on_progress)


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """The schema of a store file, and the schema that this version of the library works with."""

    path: Path
    current: str | None
    """The schema of the file; None for an empty file."""
    head: str
    """The schema that this version of the library works with."""
    pending: tuple[str, ...]
    """The revisions that an upgrade would apply, oldest first."""


def migration_status(target: str | os.PathLike[str]) -> MigrationStatus:
    """Return which schema the store at ``target`` has. Writes nothing.

    Raises:
        StoreTargetError: no store is at ``target``.
        SchemaTooNew: a newer version of this library wrote the store.
    """
    path = resolve(target)
    if not is_there(path):
        raise no_store(path, state_copies(_state_file(path, None)))
    version = ClosedStore(path, (), lock_timeout_seconds=TIMEOUT_SECONDS).schema_version()
    if version is None:
        return MigrationStatus(path, None, SCHEMA_VERSION, RELEASED_VERSIONS)
    return MigrationStatus(path, version, SCHEMA_VERSION, RELEASED_VERSIONS[RELEASED_VERSIONS.index(version) + 1 :])


def migrate(
    target: str | os.PathLike[str], *, to: str | None = None, lock_timeout_seconds: float = 10.0
) -> MigrationStatus:
    """Bring the store at ``target`` to schema ``to`` (default: the newest), and return its status before that.

    A verified copy is made beside the store first. The change is one transaction, which is checked before its commit.
    Going back to an older schema is refused if that would lose something.

    If an upgrade to the newest schema finds a damaged store, it recovers the store first, as an open does: the
    warning :class:`StoreRecovered` says from which copies.

    Args:
        target: the path of the store file, or ``sqlite:///PATH``.
        to: a schema version, such as ``"1.4"``.
        lock_timeout_seconds: how long to wait for the processes that have the store open.

    Raises:
        MigrationFailed: the file is as it was; the error says where the copy is.
        StoreDamaged: the store is damaged, or a backup has more results, and they cannot all be brought back.
        StoreInUse: another process had the store open for ``lock_timeout_seconds``. Nothing was changed.
        SchemaTooNew: a newer version of this library wrote the store. Nothing was touched.
        InvalidArgumentError: ``to`` is no released schema, or ``lock_timeout_seconds`` is no number of seconds.
    """
    to = SCHEMA_VERSION if to is None else to
    if to not in RELEASED_VERSIONS:
        raise InvalidArgumentError("to", to, f"is not a schema; the schemas are {', '.join(RELEASED_VERSIONS)}")
    check_lock_timeout(lock_timeout_seconds)
    before = migration_status(target)
    if before.current == to:
        return before
    store = _closed_store(before.path, None, lock_timeout_seconds)
    if to == SCHEMA_VERSION:
        report = store.upgrade()
        if report is not None:
            warn_caller(str(report), StoreRecovered)
    else:
        is_newer = before.current is None or RELEASED_VERSIONS.index(before.current) < RELEASED_VERSIONS.index(to)
        store.move_to(to, up=is_newer)
    return before
