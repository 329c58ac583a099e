"""One open store file: opened, described, checked, copied and closed."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from weakref import ref

from checkpoint_store.errors import (
    CheckpointStoreError,
    InvalidArgumentError,
    StorageUnavailableError,
    StoreRecovered,
)
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.context import BackupListener, StoreContext
from checkpoint_store.execution.loops.open_loops import Loops
from checkpoint_store.execution.store import closing
from checkpoint_store.execution.store.current_job import CurrentJob
from checkpoint_store.execution.unrecorded.kept_results import UnrecordedResults
from checkpoint_store.execution.unrecorded.taking_in import take_in
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.store_file import SCHEMA_VERSION, check_lock_timeout
from checkpoint_store.state_file import importer
from checkpoint_store.state_file.exporting import resolve_state_file
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.destination import other_owner
from checkpoint_store.storage.files.names import StoreFiles, belongs_to_store, state_copies
from checkpoint_store.storage.files.sibling_check import refuse_foreign
from checkpoint_store.storage.storage import open_for_reading, open_for_writing
from checkpoint_store.storage.target import resolve
from checkpoint_store.system.files import storage_errors
from checkpoint_store.system.log import WarningsLast, warn_caller
from checkpoint_store.system.paths import absolute

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from checkpoint_store.model.records import Problem
    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.recovery.recover import RecoveryReport


class Beside:
    """The default of ``state_file``: the state file beside the store file."""

    def __repr__(self) -> str:
        return "<beside the store file, with the suffix .json>"


BESIDE: Final = Beside()
DEFAULT_TARGET: Final = ".processing_state.db"


class OpenStore:
    """The part of :class:`CheckpointStore` that is about the file, and not about its jobs.

    :class:`CheckpointStore` says what the arguments are.
    """

    _context: StoreContext | None = None
    _is_told_to_close = False
    """A store that is closed in its event loop closes later, in a thread of its own."""

    def __init__(
        self,
        target: str | os.PathLike[str] = DEFAULT_TARGET,
        *,
        state_file: str | os.PathLike[str] | Beside | None = BESIDE,
        durability: Durability = "power-loss",
        lock_timeout_seconds: float = 10.0,
        migrate: bool = True,
        read_only: bool = False,
        on_backup: Callable[[Path], object] | None = None,
    ) -> None:
        if durability not in ("power-loss", "process"):
            raise InvalidArgumentError("durability", durability, "is neither 'power-loss' nor 'process'")
        check_lock_timeout(lock_timeout_seconds)
        migrate, read_only = checked_flag("migrate", migrate), checked_flag("read_only", read_only)
        self.path: Final = resolve(target)
        self.durability: Final = durability
        self.state_file: Final = self._state_path(state_file)
        try:
            with WarningsLast():
                with storage_errors(self.path):  # descriptors may run out, also while a module is read
                    context, recovery, notice = _opened(
                        self.path,
                        self.state_file,
                        durability=durability,
                        lock_timeout_seconds=lock_timeout_seconds,
                        migrate=migrate,
                        read_only=read_only,
                        on_backup=on_backup,
                    )
                    self._context = context
                for text in (notice, recovery):
                    if text is not None:
                        warn_caller(str(text), StoreRecovered)
        except BaseException as error:
            if self._context is not None:  # warnings are errors here
                self._context.reading.close()
            if isinstance(error, MemoryError):
                raise StorageUnavailableError(self.path, "no memory is left") from error
            raise
        context.loops.at_exit = partial(closing.end_with_process, ref(context))
        self._current: Final = CurrentJob(context)
        self.recovery: Final = recovery
        """The report of the recovery that opening made; None without a recovery."""

    def _state_path(self, state_file: str | os.PathLike[str] | Beside | None) -> Path | None:
        if state_file is None:
            return None
        if isinstance(state_file, Beside):
            return StoreFiles(self.path).state_file
        return resolve_state_file(state_file, self.path)

    @property
    def _open(self) -> StoreContext:
        assert self._context is not None, "no method is called on a store that did not open"
        return self._context

    def info(self) -> dict[str, Any]:
        """Return facts about the store: paths, schema and SQLite versions, journal mode, durability, counts."""
        facts = self._open.reading.facts()
        return {
            "path": str(self.path),
            "state_file": None if self.state_file is None else str(self.state_file),
            "schema_version": SCHEMA_VERSION,
            "sqlite_version": facts.pop("sqlite_version"),
            "durability": self.durability,
            **facts,
        }

    def check(self, *, on_progress: Callable[[int, int], object] | None = None) -> list[Problem]:
        """Check the whole store: structure, references, counts, and the digest of every result.

        ``on_progress`` is called with the number of checked jobs, and the number of all jobs: once at the beginning,
        and after each job. It begins at 0 again if another process changed the store meanwhile.

        Returns the problems, or an empty list. Reads only.
        """
        return self._open.reading.check(on_progress)

    def backup(self, path: str | os.PathLike[str], *, replace: bool = False) -> Path:
        """Copy the store as it is now, while it is in use, to ``path``; verified, durable, 0600 when this returns.

        An existing file is replaced if it is an earlier copy of this store and the new copy lacks nothing of it; any
        other file only with ``replace``, and never a file that a process has open.

        Raises:
            StoreTargetError: ``path`` is another file, or belongs to the store. Nothing was written.
        """
        target = absolute(path, "for a backup")
        own = () if self.state_file is None else state_copies(self.state_file)
        self._open.reading.backup(target, own, replace=checked_flag("replace", replace))
        return target

    def owns(self, path: str | os.PathLike[str]) -> bool:
        """Return whether ``path`` is the store file, or a name for files of this store. The file need not exist."""
        states = () if self.state_file is None else state_copies(self.state_file)
        return belongs_to_store(absolute(path, "as a file beside a store"), self.path, states)

    def owner_of(self, path: str | os.PathLike[str]) -> Path | None:
        """Return the store to which ``path`` belongs, this store or another store; None if it belongs to no store.

        Another store is known if a process has it open, or if its file exists. ``path`` need not exist.
        """
        target = absolute(path)
        return self.path if self.owns(target) else other_owner(target, self.path)

    def delete_job(self, job_id: str) -> None:
        """Delete a job, its completed chunks and its results for good, from every file that this store uses.

        Its bytes are overwritten. A state file and a ``.bak`` that show this job, and all automatic backups, are
        removed. Files that were moved aside (``.corrupt-…``, ``.replaced-…``) may still have it: :meth:`prune` removes
        these files. The answer of a call that is still under way is not recorded; the log says that it came.

        Raises:
            JobNotFound: no job (or more than one) has this id or prefix, or the prefix has fewer than eight characters.
            ErasureUnfinished: the job is deleted; another process that reads keeps its bytes in the WAL.
            StorageUnavailableError: the job is deleted; a backup that cannot be removed, which the error names, has it.
        """
        lifecycle.delete(self._open, job_id, and_backup=False)

    def close(self) -> None:
        """Close the store, and make the state file exact. Closing twice is fine.

        Open loops on its jobs, in whatever thread, start no further chunk; their work in flight is waited for, and its
        results are recorded. A Ctrl-C ends the wait: the chunks in flight are in doubt. A call from the work of a loop,
        from the event loop of an ``amap``, or from a signal handler that interrupted a call of this library, cannot
        wait: it returns, and the store is closed as soon as that work, or that call, is done.

        Raises:
            CheckpointStoreError: a result cannot be recorded (the notes name the chunks), the state file cannot be
                written, or another program overwrote the store while it was open. The store is closed all the same.
        """
        self._close(None)

    def _close(self, error: BaseException | None) -> None:
        if self._context is None or self._context.reading.closed:
            return
        self._is_told_to_close = True
        if sys.is_finalizing():
            closing.close_in_finalizer(self._context)
        else:
            closing.close(self._context, error)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a store is a file that each process opens."""
        raise TypeError(
            f"a {type(self).__name__} can neither be copied nor pickled: pass its path ({str(self.path)!r}), and open "
            "it there with CheckpointStore(path)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close(error)
        except CheckpointStoreError as late:
            if error is None:
                raise
            closing.note_besides(error, late)

    def __del__(self) -> None:
        context = self._context
        if context is not None and context.writing is not None and not context.reading.closed:
            try:
                closing.close_in_finalizer(context)
            finally:  # last: where warnings are errors, no result is left unrecorded for this warning
                if not self._is_told_to_close:
                    what = f"{self.path} was never closed: call close(), or use `with CheckpointStore(...)`"
                    warnings.warn(what, ResourceWarning, source=self, stacklevel=2)


def _opened(
    path: Path,
    state_file: Path | None,
    *,
    durability: Durability,
    lock_timeout_seconds: float,
    migrate: bool,
    read_only: bool,
    on_backup: Callable[[Path], object] | None,
) -> tuple[StoreContext, RecoveryReport | None, str | None]:
    """Open a store file, and create, upgrade or recover it first where that is needed.

    Returns also the report of the recovery, if there was one, and what the caller is to be warned of besides.
    """
    backups = BackupListener(on_backup)
    copies = () if state_file is None else state_copies(state_file)
    if read_only:
        reading = open_for_reading(path, copies, lock_timeout_seconds=lock_timeout_seconds)
        return StoreContext(reading, None, None, Loops(path), UnrecordedResults(reading), backups), None, None
    refuse_foreign(path)
    for_new_store = importer.state_for_new_store(path, state_file)
    storage, recovery = open_for_writing(
        path,
        copies,
        durability=durability,
        lock_timeout_seconds=lock_timeout_seconds,
        migrate=migrate,
        is_owner_checked=True,
        has_backup_hook=on_backup is not None,
    )
    notice = follower = None
    try:
        if state_file is not None:
            follower = StateFile(storage, state_file, StoreFiles(path).lock, lock_timeout_seconds=lock_timeout_seconds)
            follower.sweep()
        storage.claims.runners.reap_dead()
        context = StoreContext(storage, storage, follower, Loops(path), UnrecordedResults(storage), backups)
        if follower is not None:
            facts, save = storage.import_facts, storage.states.take_in
            notice = storage.healing.run(lambda: importer.import_at_opening(facts, follower, for_new_store, save))
        take_in(storage, context.record, context.unrecorded.passed_over, is_opening=True)
    except BaseException:
        storage.close()
        raise
    return context, recovery, notice
