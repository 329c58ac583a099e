"""The import of a state file when its store opens.

A state file may have more results than its store. An early version of this library, which had no store, wrote the state
file. Or the store file was lost. Or the store lost its newest results: its WAL is gone, or an older copy replaced it.
Opening the store imports these results, because the next export overwrites the state file.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    StoreDamaged,
    StoreTargetError,
    counted,
)
from checkpoint_store.model.clock import seconds_ago
from checkpoint_store.model.state.pairing import few
from checkpoint_store.model.state.state import in_utc
from checkpoint_store.model.state.state_text import Glance
from checkpoint_store.state_file.by_hand import warn_of_change_by_hand
from checkpoint_store.state_file.exporting import refuse_unwritable
from checkpoint_store.state_file.reader import (
    USE,
    ImportableState,
    first_sound,
    glance,
    job_shown_by,
    read_state,
    refuse_planted_state,
    refuse_stranger,
    without_secrets,
)
from checkpoint_store.storage.files.names import state_backup
from checkpoint_store.storage.files.sibling_check import passed_over
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.log import log, log_and_warn
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.state_file.writer import StateFile
    from checkpoint_store.storage.verbs.jobs import ImportFacts


_AT_WORK_SECONDS: Final = 60.0
"""A program that changed its job within this time may be at work, and write the state file at its pace."""


class Action(Enum):
    """The action of an opening on the state file."""

    LEAVE = "leave the state file as it is"
    REMOVE = "remove the state file: it shows a job that was deleted"
    IMPORT = "import the job, and warn that the store knew less"
    COMPARE = "compare the results: they must be those of the store"
    FOLLOW = "write the state file when the store closes, if that is possible: a killed program left it behind"


class Situation(NamedTuple):
    """The facts about a store with jobs, and its state file, at opening."""

    was_deleted: bool
    """Whether the job of the state file was deleted from the store."""
    completed_in_store: int | None
    """The number of completed chunks that the store has of the job; None where it does not have the job."""
    completed_in_file: int
    """The number of completed chunks that the state file shows."""
    is_file_newer: bool
    """Whether the state file was written after the job's last change in the store."""
    is_left_behind: bool
    """Whether the job has changed since the state file was written, and no program that is at work will write it."""


def decide(situation: Situation) -> Action:
    """Return what to do with the state file. The first line that applies decides."""
    is_ahead = situation.completed_in_file > (situation.completed_in_store or 0)
    match situation:
        case Situation(was_deleted=True):
            return Action.REMOVE
        case _ if is_ahead:
            return Action.IMPORT
        case Situation(completed_in_store=int(), is_file_newer=True):
            return Action.COMPARE
        case Situation(is_left_behind=True):
            return Action.FOLLOW
    return Action.LEAVE


def state_for_new_store(store: Path, state_file: Path | None) -> ImportableState | None:
    """Return the state that a new store is to import, from the state file or its backup.

    None if the store or a backup of it exists already, or neither the state file nor its backup does. Call this before
    the store file is created.

    Raises:
        StoreTargetError: a file that is no state file stands in the place of the state file, or of its backup; or its
            folder may not be written.
        StateFormatError: the state file is no state, or both it and its backup are torn.
    """
    if state_file is None:
        return None
    refuse_unwritable(state_file, store)
    is_known = is_there(store) or bool(Siblings(store).backups())
    backup = state_backup(state_file)
    for path in (state_file, backup):
        refuse_planted_state(path)
        reason = passed_over(path, store)
        if reason is None:
            refuse_stranger(path, backup if path == state_file else None)
        elif is_known:
            notice = f"{path} is passed over: {reason}. The next export replaces it"
            log_and_warn(notice, UserWarning)
        else:
            remedy = "give it to this user (chown), or pass state_file=PATH or None"
            raise StoreTargetError(path, f"{reason}, and a new store would take it in; {remedy}", USE)
    if is_known or not (is_there(state_file) or is_there(backup)):
        return None
    return first_sound(store, state_file, backup)


def import_at_opening(
    facts: ImportFacts,
    state_file: StateFile,
    for_new_store: ImportableState | None,
    save: Callable[[ProcessingState], object],
) -> str | None:
    """Import the results that the state file has and the store lacks; durable when this returns.

    Args:
        facts: the facts of the open store.
        state_file: the state file of the store.
        for_new_store: the state from :func:`state_for_new_store` before the store was created. It counts only while
            the store has no job: this opening may have recovered a job, or another process may have imported it.
        save: stores a state; durable when it returns. It adds what the store lacks, and raises ChunkAlreadyCompleted
            where the store has another result.

    Returns:
        A warning: the store knew less than the state file, or the state file was torn. None: nothing to warn of.

    Raises:
        StoreDamaged: the state file was written later than the store, and has another result for a chunk.
        StateFormatError: the store has no job, and the state file is no state, or both it and its backup are torn.
    """
    copies = [path for path in (state_file.path, state_file.backup) if is_there(path)]
    readable = [path for path in copies if passed_over(path, facts.path) is None]
    if not readable:
        return None
    if facts.has_jobs():  # also where the store was missing: it was made anew from the copies since that look
        return _import_if_ahead(facts, state_file, readable, save) if state_file.path in readable else None
    importable = for_new_store or first_sound(facts.path, *readable)
    state = importable.state
    if facts.known_job(state.job_id).was_deleted:
        _remove(state_file, state.job_id)
        return None
    notice = _take_in(importable, state_file, save)
    if notice is not None or for_new_store is not None:
        return notice
    return _notice(facts, state_file, state.job_id, len(state.completed_chunks), None)


def _take_in(
    importable: ImportableState, state_file: StateFile, save: Callable[[ProcessingState], object]
) -> str | None:
    """Store a state, and write the state file. Return a warning if the state file was torn: it was moved aside."""
    state, was_redacted = without_secrets(importable.state)
    save(state)  # first: a kill behind a renaming would leave the results of the torn file out
    # A torn state file may end with a part of a result.
    aside = None if importable.torn is None else state_file.move_aside()
    state_file.write_or_later(state.job_id)
    if was_redacted:
        state_file.backup.unlink(missing_ok=True)
    return None if aside is None else _notice_of_torn(importable, state_file, aside)


def _import_if_ahead(
    facts: ImportFacts,
    state_file: StateFile,
    readable: Sequence[Path],
    save: Callable[[ProcessingState], object],
) -> str | None:
    """Import the state file into a store that has jobs, where :func:`decide` says so. Durable when this returns.

    Returns a warning, or None. The whole state file is read only if its beginning and its end call for it.
    """
    seen = glance(state_file.path) or _glance_of_whole(state_file.path)
    if seen is None:
        return None
    known = facts.known_job(seen.job_id)
    situation = Situation(
        was_deleted=known.was_deleted,
        completed_in_store=known.completed_chunks,
        completed_in_file=seen.completed_chunks,
        is_file_newer=seen.updated_at > known.updated_at,
        is_left_behind=seen.updated_at < known.updated_at and _is_left(facts, seen.job_id, known.updated_at),
    )
    match decide(situation):
        case Action.REMOVE:
            _remove(state_file, seen.job_id)
        case Action.IMPORT:
            copies = [path for path in readable if path == state_file.path or job_shown_by(path) == seen.job_id]
            try:
                notice = _take_in(first_sound(facts.path, *copies), state_file, save)
            except ChunkAlreadyCompleted as error:
                knows_more = f"{state_file.path.name} knows of more completed chunks"
                reason = f"{knows_more}, and contradicts it in chunk {error.chunk_index}"
                raise StoreDamaged(facts.path, reason, job_id=error.job_id) from error
            return notice or _notice(facts, state_file, seen.job_id, seen.completed_chunks, known.completed_chunks)
        case Action.COMPARE:
            _compare(facts, state_file.path)
        case Action.FOLLOW:
            state_file.left_behind = seen.job_id
    if known.status is not None and seen.updated_at == known.updated_at:  # who edits a file leaves its times
        warn_of_change_by_hand(facts, state_file.path, seen, known)
    return None


def _is_left(facts: ImportFacts, job_id: str, updated_at: str) -> bool:
    """Return whether nobody is at work on a job. A :class:`StateManager` is no runner: it changes its job, or ends."""
    return updated_at < seconds_ago(_AT_WORK_SECONDS) and not facts.is_at_work(job_id)


def _glance_of_whole(path: Path) -> Glance | None:
    """Return the facts of a state file of another layout: an early version without a store, or a person, wrote it."""
    with suppress(CheckpointStoreError):  # torn, or no state
        state = read_state(path)
        return Glance(state.job_id, state.status, len(state.completed_chunks), in_utc(state.updated_at))
    return None


def _compare(facts: ImportFacts, path: Path) -> None:
    """Raise :class:`StoreDamaged` if the state file and the store have different results for a chunk.

    The state file was written later: the store has lost its WAL.
    """
    state = first_sound(facts.path, path).state  # its errors say how to go on
    index = facts.first_contradiction(state)
    if index is not None:
        reason = f"{path.name} was written later, and contradicts it in chunk {index}"
        raise StoreDamaged(facts.path, reason, job_id=state.job_id)


def _remove(state_file: StateFile, job_id: str) -> None:
    state_file.forget(lambda: (job_id,))
    log.info("%s showed job %s, which was deleted from the store: removed", state_file.path, job_id)


def _notice_of_torn(importable: ImportableState, state_file: StateFile, aside: Path) -> str:
    chunks = counted(len(importable.state.completed_chunks), "completed chunk")
    only_torn = counted(len(importable.added), "result")
    added = f", with {only_torn} that only the torn file has" if importable.added else ""
    behind = _without(importable.behind)
    notice = (
        f"{importable.torn}. It was moved to {aside.name}, and {state_file.backup.name} was taken in{added}: {chunks} "
        f"of job {importable.state.job_id}.{behind} Look into {aside.name} for a result that is missing"
    )
    log.warning("%s", notice)
    return notice


def _without(behind: Sequence[int]) -> str:
    if not behind:
        return ""
    chunks = f"{counted(len(behind), 'chunk')} ({few(behind)})"
    return f" The results of {chunks} cannot be read: they are done again."


def _notice(facts: ImportFacts, state_file: StateFile, job_id: str, in_file: int, in_store: int | None) -> str:
    """Log and return what was imported. ``in_store`` is None if the store did not have the job."""
    chunks = counted(in_file, "completed chunk")
    if in_store is None:
        notice = f"job {job_id} was taken in from {state_file.path}, with {chunks}: {facts.path} did not have that job"
    else:
        notice = f"{state_file.path} knew of {chunks} of job {job_id}, and {facts.path} of {in_store}: taken in"
    log.warning("%s", notice)
    return notice
