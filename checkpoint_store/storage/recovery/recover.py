"""Recover a damaged store from every surviving copy: its readable rows, its backups, the state file and its ``.bak``.

The new file is built beside the damaged file, and replaces it only when the new file is whole. The damaged files are
moved aside and never deleted. A result is accepted if its digest is right. A state file has no digests: its results
must not contradict a digest that another copy has.
"""

from __future__ import annotations

import dataclasses
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StateFormatError, StorageUnavailableError, StoreDamaged, StoreInUse, counted
from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.storage.connection.open_lock import has_connection, who_has_open
from checkpoint_store.storage.files.names import StoreFiles, moved_aside
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.recovery.merge_copies import JobRecovery, all_copies, build
from checkpoint_store.storage.recovery.salvage.store_file import read_copy
from checkpoint_store.system.descriptors import shortage_now
from checkpoint_store.system.files import sync_folder, temporary_path
from checkpoint_store.system.log import log, log_unread
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.storage.recovery.salvage.copies import Copy

_DESCRIPTORS: Final = 8
"""A recovery has a copy, its WAL, its index, the new store and a folder open: what cannot be opened would look lost."""

_NAMES_SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """The report of a recovery."""

    path: Path
    """The store file."""
    reason: str
    """Why the store was made anew."""
    jobs: tuple[JobRecovery, ...]
    """The report on each job that a copy knows of."""
    moved_aside: tuple[Path, ...]
    """The files that were moved aside, by their new paths. Nothing but :meth:`CheckpointStore.prune` deletes them."""
    not_taken: tuple[str, ...] = ()
    """What a user or another program added to the schema, such as ``table notes``: only the copies have it."""

    @property
    def lost_chunks(self) -> int:
        """The number of completed chunks that could not be recovered, over all jobs."""
        return sum(job.lost_chunks for job in self.jobs)

    def __str__(self) -> str:
        moved = ", ".join(path.name for path in self.moved_aside) or "nothing"
        lines = "".join(f"\n  {job}" for job in self.jobs) or "\n  no job was found in any copy"
        if self.not_taken:
            more = " …" * (len(self.not_taken) > _NAMES_SHOWN_MAX)
            names = ", ".join(self.not_taken[:_NAMES_SHOWN_MAX]) + more
            lines += f"\n  left in the old files, because no store has such parts: {names}"
        return f"{self.path} was made anew ({self.reason}); moved aside: {moved}{lines}"


def recover(path: Path, state_files: Iterable[Path], reason: str, *, accept_loss: bool = False) -> RecoveryReport:
    """Replace the store at ``path`` by a new one that is made from every copy. The caller keeps everybody else out.

    Raises:
        StoreDamaged: a copy has something that would be lost, and ``accept_loss`` is not set. Nothing was changed.
        StorageUnavailableError: too few file descriptors are left. Nothing was changed.
        StoreInUse: a process of an older version of this library opened it just now. Nothing was changed.
    """
    short = shortage_now(_DESCRIPTORS)
    if short is not None:
        raise StorageUnavailableError(path, short)
    state_files = tuple(state_files)
    Siblings(path).remove_unfinished()
    copies = all_copies(path, state_files)
    deleted = _without_deleted(copies)
    if not any(copy.jobs for copy in copies) and not accept_loss:
        raise StoreDamaged(path, f"{reason}; no job can be read from it or any other copy", remedy=_accepting(path))
    fresh = temporary_path(path)
    try:
        jobs = build(fresh, copies, deleted, like=Siblings(path).keeper(*state_files))
        foreign = dict.fromkeys(name for copy in copies for name in copy.foreign)
        report = RecoveryReport(path, reason, jobs, (), tuple(foreign))
        if any(job.loses for job in jobs) and not accept_loss:
            again = any(job.lost_chunks for job in jobs)
            raise StoreDamaged(path, _what_would_be_lost(report), remedy=_accepting(path, again=again))
        os.replace(fresh, StoreFiles(path).recovered)
    finally:  # also behind a success: a rollback journal stays, emptied
        StoreFiles(fresh).remove()
    sync_folder(path.parent)
    moved = move_aside(path, "corrupt")  # before its copies: from here on, an open finishes the recovery
    moved += _move_copies_aside(path, state_files, lossy=any(job.lost_chunks for job in jobs))
    put_in_place(path)
    return dataclasses.replace(report, moved_aside=moved)


def _without_deleted(copies: list[Copy]) -> dict[str, str]:
    """Drop from each copy the jobs that were deleted later. Return the deleted jobs with the time of the deletion.

    A state file is removed together with its job. So a state file of a job that a backup calls deleted is newer than
    the backup, and the job stays.
    """
    deleted: dict[str, str] = {}
    for position, copy in enumerate(copies):
        for job_id, moment in copy.deleted.items():
            if any(job_id in better.jobs for better in copies[: position + 1]):
                continue
            deleted[job_id] = moment
            for older in copies[position:]:
                if not (copy.backup and older.state):
                    older.jobs.pop(job_id, None)
                    older.chunks.pop(job_id, None)
    return {job_id: moment for job_id, moment in deleted.items() if not any(job_id in copy.jobs for copy in copies)}


def put_in_place(path: Path) -> None:
    """Move the finished new file to ``path``, where no file is any more."""
    os.replace(StoreFiles(path).recovered, path)
    sync_folder(path.parent)


def was_interrupted(path: Path) -> bool:
    """Return whether a recovery was killed after it moved the damaged file aside, and before it moved the new file."""
    return not is_there(path) and is_there(StoreFiles(path).recovered)


def finish_interrupted(path: Path, state_files: Sequence[Path]) -> RecoveryReport:
    """Finish a recovery or a restore that was killed after its new file was whole. Safe to repeat after a kill."""
    copy = read_copy(StoreFiles(path).recovered, "the interrupted recovery")
    jobs = tuple(
        JobRecovery(
            job_id, values["file_name"], values["completed_count"], 0, ((copy.name, values["completed_count"]),)
        )
        for job_id, values in copy.jobs.items()
    )
    moved = move_aside(path, "corrupt")
    lossy = any(copy.lacks(other) for other in all_copies(path, state_files))
    moved += _move_copies_aside(path, state_files, lossy=lossy)
    put_in_place(path)
    return RecoveryReport(path, "a recovery was interrupted, and is finished now", jobs, moved)


def drop_unneeded(path: Path) -> None:
    """Remove the new file of a recovery that was killed before it moved the old one. Call it under the store's lock."""
    if is_there(path):
        with suppress(FileNotFoundError):
            StoreFiles(path).recovered.unlink()
            log.info("%s is sound: the unfinished file of a killed recovery is removed", path)


def move_aside(path: Path, why: str) -> tuple[Path, ...]:
    """Rename a store file, its WAL, its index and its journal. A WAL that stays would overwrite the new file.

    The store file is renamed first: without its WAL it would look like a sound store of an earlier time.

    Raises:
        StoreInUse: a process of an older version opened the store just now. Every file is where it was.
    """
    target = moved_aside(path, why)
    moved = []
    pairs = zip(StoreFiles(path).of_sqlite, StoreFiles(target).of_sqlite, strict=True)
    for source, its in ((path, target), *pairs):
        with suppress(FileNotFoundError):
            os.replace(source, its)
            moved.append(its)
        if source == path and moved and has_connection(target):
            holders = who_has_open(target)
            os.replace(target, path)
            raise StoreInUse(path, 0.0, holders)
    sync_folder(path.parent)
    return tuple(moved)


def move_backups_aside(path: Path, why: str, *, newer_than: Path | None = None) -> tuple[Path, ...]:
    """Rename the automatic backups, or those that are newer than ``newer_than``.

    A store that has fewer chunks than its backup is taken for damaged, so a backup must not be ahead.
    """
    moved = []
    for backup in Siblings(path).backups():
        if backup == newer_than:
            break
        moved.append(moved_aside(backup, why))
        os.replace(backup, moved[-1])
    return tuple(moved)


def _move_copies_aside(path: Path, state_files: Iterable[Path], *, lossy: bool) -> tuple[Path, ...]:
    """Rename the state files that cannot be read; if the new store lacks a chunk, every state file and backup.

    The next open would import from a state file, or a backup, what the new store lacks.
    """
    states = tuple(_move_aside_states(state_files, every=lossy))
    return (*states, *move_backups_aside(path, "corrupt")) if lossy else states


def _move_aside_states(state_files: Iterable[Path], *, every: bool) -> Iterator[Path]:
    """Rename the state files that cannot be read, or all of them; the next export would overwrite them."""
    for state_file in state_files:
        try:
            sound = bool(ProcessingState.from_json(state_file.read_bytes()))
        except OSError as error:
            log_unread(state_file, error)
            continue
        except StateFormatError:
            sound = False
        if every or not sound:
            target = moved_aside(state_file, "corrupt")
            os.replace(state_file, target)
            yield target


def _accepting(path: Path, *, again: bool = False) -> str:
    accepting = "To go on without these chunks, which are done again then" if again else "To accept that"
    return f"{accepting}: recover_store({str(path)!r}, accept_loss=True)"


def _what_would_be_lost(report: RecoveryReport) -> str:
    losses = "; ".join(_loss(job) for job in report.jobs if job.loses)
    return f"{report.reason}; from all surviving copies together, {losses}"


def _loss(job: JobRecovery) -> str:
    name = f"job {job.job_id} ({job.file_name})"
    if not job.lost_chunks:
        return f"{name} comes back, but {job.lost}"
    chunks = f"{job.lost_chunks} of {counted(job.lost_chunks + job.recovered_chunks, 'completed chunk')}"
    return f"{chunks} of {name} cannot be brought back" + (f", and {job.lost}" if job.lost else "")
