"""The paths of the caller's choice: the check of a state file's path, and the export of a state to a path."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, StoreTargetError
from checkpoint_store.state_file.growing import stored_text
from checkpoint_store.state_file.reader import (
    USE,
    glance,
    holds_something_else,
    job_shown_by,
    refuse_own,
    refuse_to_replace,
)
from checkpoint_store.storage.destination import refuse_open_here, refuse_others
from checkpoint_store.storage.files.names import NO_STATE_SUFFIXES, StoreFiles
from checkpoint_store.storage.storage import open_for_reading
from checkpoint_store.storage.target import refuse_long_name, refuse_no_folder
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.paths import absolute, is_there, refusing
from checkpoint_store.system.threads import giving_turns

if TYPE_CHECKING:
    from checkpoint_store.storage.storage import Reading
    from checkpoint_store.storage.verbs.job_content import JobContent


def resolve_state_file(given: object, store: Path) -> Path:
    """Return the absolute path of a state file, as a caller gave it.

    Raises:
        StoreTargetError: no state file can be there.
    """
    path = absolute(given, USE)
    if path.suffix in NO_STATE_SUFFIXES:
        raise StoreTargetError(path, f"the suffix {path.suffix} is for the files beside a state file; use .json", USE)
    refuse_long_name(path, USE)
    _refuse_no_place(path, store)
    return path


def _refuse_no_place(path: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` if no state file can be at ``path``, or it belongs to the store."""
    with refusing(path, USE):
        refuse_no_folder(path, USE)
        with suppress(FileNotFoundError):
            os.lstat(path)  # no file can have too long a name
        refuse_own(path, store)


def checked_state_path(given: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """Return the path of a manager's state file as it was given.

    Raises:
        StoreTargetError: ``given`` is no path.
        InvalidArgumentError: it has the suffix of another file of the manager.
    """
    absolute(given, USE)
    path = Path(os.fsdecode(given))
    if path.suffix in NO_STATE_SUFFIXES:
        raise InvalidArgumentError("state_path", str(given), "has the suffix of a file beside it; use .json")
    return path


def keeps_path(name: str, path: object, given: object) -> bool:
    """Whether ``name`` is an attribute of a manager that has this path already, and is given the path again.

    Raises:
        AttributeError: it is given another path.
    """
    if name not in {"state_path", "store_path", "lock_path"} or not isinstance(path, Path):
        return False
    if isinstance(given, str | Path) and Path(given).absolute() == path.absolute():
        return True
    raise AttributeError(f"{name} is {str(path)!r} and stays so: make another StateManager for another state file")


def refuse_shared_store(state_file: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` if the store is that of another state file, which differs in its suffix only.

    Who works with this state file would be given the job of the other: the store has that job as its current job, and
    does not have the job that this state file shows. Beside a state file with the usual suffix, any other file is taken
    for a copy that somebody made. A store that cannot be read is left to the opening.
    """
    if state_file.suffix == StoreFiles(store).state_file.suffix or not is_there(store):
        return
    beside = _states_beside(state_file)
    own_job_id = _job_shown_by(state_file) if beside else None
    if not beside or (own_job_id is None and is_there(state_file)):  # torn
        return
    owners = list[str]()
    with suppress(CheckpointStoreError), closing(open_for_reading(store, (), lock_timeout_seconds=1.0)) as reading:
        is_own = own_job_id is not None and reading.jobs.completed_count(own_job_id) is not None
        current = set() if is_own else {job.job_id for job in reading.jobs.matching(current=True)}
        owners = [path.name for path in beside if current and _job_shown_by(path) in current]
    for name in owners:
        remedy = f"rename one of the two, or move {name} away if it is a copy"
        reason = f"{name} is the state file of another job, and {store.name} would be the store of both; {remedy}"
        raise StoreTargetError(state_file, reason, USE)


def _states_beside(state_file: Path) -> list[Path]:
    """Return the files beside a state file that differ from it in their suffix only, and begin like a state file."""
    beside = list[Path]()
    with suppress(OSError):  # the folder may not be listed
        for name in sorted(os.listdir(state_file.parent)):  # names are what is matched
            path = state_file.with_name(name)
            is_beside = path.stem == state_file.stem and path.suffix not in NO_STATE_SUFFIXES and path != state_file
            if is_beside and path.is_file() and not _is_no_state(path):
                beside.append(path)
    return beside


def _is_no_state(path: Path) -> bool:
    """Whether a file is no state file. A store that is open here is not read."""
    with suppress(StoreTargetError):
        refuse_open_here(path, USE)
        return holds_something_else(path)
    return True


def _job_shown_by(path: Path) -> str | None:
    """Return the job that a state file shows. A file of this version's layout is not read whole."""
    facts = glance(path)
    return job_shown_by(path) if facts is None else facts.job_id


def refuse_unwritable(state_file: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` if no state file can be written, before any work is paid for.

    Without permission for the folder of the store, no store is opened for writing: its own errors say so.
    """
    folder = state_file.parent
    if folder != store.parent and not os.access(folder, os.W_OK | os.X_OK):
        remedy = "give a path in another folder, or None for no state file"
        raise StoreTargetError(state_file, f"no permission to create files in {folder}; {remedy}", USE)


def write_state(reading: Reading, job_id: str, path: Path, *, replace: bool) -> Path:
    """Write a job's state to any path but the store's own, whole and durable when this returns.

    Raises:
        StoreTargetError: something else than an older export of the same job is there, and ``replace`` is not set; or
            no file can be there.
    """
    _refuse_no_place(path, reading.path)
    refuse_others(path, reading.path, USE)

    def write(snapshot: JobContent) -> None:
        if not replace:
            refuse_to_replace(path, job_id, giving_turns(snapshot.completed_chunks()))
        replace_file(path, stored_text(snapshot), like=reading.path)

    reading.with_snapshot(job_id, write)
    return path
