"""Read an existing state file, whole or only its beginning and end, or refuse a file that is something else."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import CheckpointStoreError, StateFormatError, StoreTargetError
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.state import state_text
from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.state_file.torn_file import completed_from
from checkpoint_store.storage.destination import refuse_open_here
from checkpoint_store.storage.files.names import StoreFiles, belongs_to_store, state_copies
from checkpoint_store.storage.files.sibling_check import kind_of
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.files import open_regular, storage_error, storage_errors
from checkpoint_store.system.log import warn_caller
from checkpoint_store.system.paths import is_same_file, is_there

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

USE: Final = "as a state file"
"""What a path that is refused here was given for; see :class:`StoreTargetError`."""
_MOVE: Final = "move it away, or pass state_file=PATH or None"
_NO_ID: Final = "it has no job_id: write this entry into it, such as a UUID, and start again; or"


def read_state(path: Path) -> ProcessingState:
    """Return the state in a state file.

    Raises:
        StateFormatError: the file is no state file; the error names file and field.
        StoreTargetError: there is no such file, or this process has it open as a store.
    """
    refuse_open_here(path, USE)
    try:
        return ProcessingState.from_json(path.read_bytes())
    except StateFormatError as error:
        raise StateFormatError(error.field, error.reason, path=path) from None
    except FileNotFoundError:
        raise StoreTargetError(path, "there is no such state file", USE) from None
    except OSError as error:
        raise storage_error(error, path) from error


def refuse_own(path: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` where a state would replace a file of the store that holds no state."""
    states = {file.name for file in state_copies(StoreFiles(store).state_file)}
    _refuse_store(path, store, belongs=path.name not in states and belongs_to_store(path, store))


def refuse_opened(path: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` where a state would be read from a file that a process opens as a store.

    To read the live store file would drop SQLite's locks on it. A state that was moved aside may be read.
    """
    opened = {file.name for file in StoreFiles(store).own}
    _refuse_store(path, store, belongs=path.name in opened and belongs_to_store(path, store))


def _refuse_store(path: Path, store: Path, *, belongs: bool) -> None:
    if belongs or is_same_file(path, store):
        raise StoreTargetError(path, f"it is the store {store} or belongs to it; a state needs a file of its own", USE)
    _refuse_special(path, "name another file")


def refuse_planted_state(path: Path) -> None:
    """Raise :class:`StoreTargetError` if a symlink, a folder or a pipe has the name of a store's state file.

    A symlink may lead to the file of another user, and the next export would replace it.
    """
    with storage_errors(path):
        if path.is_symlink():
            raise StoreTargetError(path, f"it is a symlink, and not a regular file; {_MOVE}", USE)
        _refuse_special(path, _MOVE)


def _refuse_special(path: Path, remedy: str) -> None:
    """Raise :class:`StoreTargetError` if something else than a regular file is at ``path``, or a store open here.

    Reading a pipe blocks, and reading a store drops its locks. A device or a folder holds no state.
    """
    refuse_open_here(path, USE)
    if is_there(path) and not path.is_file():
        raise StoreTargetError(path, f"it is {kind_of(path.stat().st_mode)}, and not a regular file; {remedy}", USE)


def refuse_to_replace(path: Path, job_id: str, completed: Iterable[Collection[int]]) -> None:
    """Raise :class:`StoreTargetError` unless an export of this job to ``path`` replaces nothing but an older one.

    ``completed`` are the completed chunks of the job, in pages.
    """
    if not os.path.lexists(path):
        return
    remedy = "name another file, or pass replace=True"
    if path.is_symlink():
        raise StoreTargetError(path, f"it is a symlink; {remedy}", USE)
    if not path.stat().st_size:
        return
    try:
        # Reading a whole export blocks all other threads, and the facts that are needed stand at its beginning.
        existing = _head_of_whole(path) or read_state(path)
        more = set(existing.completed_chunks() if isinstance(existing, state_text.Head) else existing.completed_chunks)
    except (StateFormatError, StoreTargetError, ValueError) as error:
        raise StoreTargetError(path, f"it is there and is no state file that can be read; {remedy}", USE) from error
    if existing.job_id != job_id:
        other = f"{existing.job_id}, {existing.file_name!r}"
        raise StoreTargetError(path, f"it is the state of another job ({other}); {remedy}", USE)
    for page in completed:
        more.difference_update(page)
    if more:
        raise StoreTargetError(path, f"it has completed chunks that the store has not ({min(more)}); {remedy}", USE)


def refuse_stranger(path: Path, backup: Path | None = None) -> None:
    """Raise :class:`StoreTargetError` if the file at ``path`` is no state file: the next export would replace it.

    A file that is not JSON is taken for a torn state file if ``backup`` is a state. A file of NUL bytes or white space
    is taken for one that a power cut left.
    """
    refuse_planted_state(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, path) from error
    if _begins_otherwise(start) and not (backup and _is_torn(path, backup)):
        what = _NO_ID if state_text.lacks_id(start) else "it holds something else, and the state file would replace it;"
        raise StoreTargetError(path, f"{what} {_MOVE}", USE)


def _begins_otherwise(start: bytes) -> bool:
    return bool(start.strip(b"\0 \r\n\t")) and not state_text.looks_like_state(start)


def holds_something_else(path: Path) -> bool:
    """Whether what is at ``path`` is no state file, not even a torn one; False if it is missing or cannot be read."""
    if is_no_file(path):
        return True
    with suppress(OSError):
        descriptor = open_regular(path, os.O_RDONLY)  # the built-in open() is gone while the interpreter ends
        try:
            return _begins_otherwise(os.read(descriptor, 4096))
        finally:
            os.close(descriptor)
    return False


def is_no_file(path: Path) -> bool:
    """Whether a folder, a pipe, a socket or a device is at ``path``: no file can replace a folder."""
    with suppress(OSError):
        return os.path.lexists(path) and not path.is_file() and not path.is_symlink()
    return False


def _is_torn(path: Path, backup: Path) -> bool:
    if _is_no_json(path):
        with suppress(CheckpointStoreError):
            return bool(read_state(backup))
    return False


def _is_no_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return True
    return False


_TAIL_BYTES: Final = 65536
"""Read at least this many bytes at the end of a state file to find ``updated_at``. Behind it stand the config, the list
of the results' chunks and the list of the redos. Each list has at most as many chunks as are completed: the text of the
completed chunks, twice, is read besides."""


def glance(path: Path) -> state_text.Glance | None:
    """Return the facts in the beginning and the end of a state file.

    None if the file cannot be read, or this version does not write files of this layout.
    """
    try:
        with path.open("rb") as file:
            head = _head(file)
            if head is None:
                return None
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES - 2 * len(head.indices)))
            return state_text.Glance(head.job_id, head.status, head.completed_count, state_text.updated_at(file.read()))
    except OSError:
        return None


def _head(file: BinaryIO) -> state_text.Head | None:
    return state_text.read_head([file.readline() for _ in range(state_text.HEAD_LINES)])


def _head_of_whole(path: Path) -> state_text.Head | None:
    """Return the facts before the results of a state file.

    None if the file cannot be read or was cut off, or this version does not write files of this layout.
    """
    try:
        with path.open("rb") as file:
            head = _head(file)
            file.seek(max(0, path.stat().st_size - len(state_text.ENDS_WITH)))
            return head if file.read() == state_text.ENDS_WITH else None
    except OSError:
        return None


def job_shown_by(path: Path) -> str | None:
    """Return the job that a state file shows; None where there is no file, or it cannot be read."""
    try:
        return read_state(path).job_id
    except CheckpointStoreError:
        return None


def shows(path: Path, job_id: str) -> bool:
    """Whether the state file at ``path`` shows this job; of a torn file: whether it contains the job's id."""
    try:
        return read_state(path).job_id == job_id
    except StateFormatError:  # torn: nothing can be said of it, except by its bytes
        return job_id.encode() in path.read_bytes()
    except CheckpointStoreError:
        return False


def without_secrets(state: ProcessingState) -> tuple[ProcessingState, bool]:
    """Return a state with every secret in it replaced (and a warning given), and whether there was one.

    Take it in within a :class:`WarningsLast`: where warnings are errors, the state is recorded first.
    """
    with importing():
        from checkpoint_store.model.codec.secrets import redact_secrets, redact_text  # for writers only

    held = {"config": thaw(state.config), "metadata": thaw(state.metadata)}
    clean = redact_secrets(held)
    message = None if state.error_message is None else redact_text(state.error_message)
    if clean == held and message == state.error_message:
        return state, False
    warn_caller(
        f"the state of job {state.job_id} held what looks like a secret; it was replaced by [redacted]", UserWarning
    )
    return state.replace(**clean, error_message=message), True


class ImportableState(NamedTuple):
    """The state that an opening imports."""

    state: ProcessingState
    torn: StateFormatError | None
    """Why the state file could not be read. Its ``.bak`` was read in its place. None if the state file was read."""
    added: Sequence[int] = ()
    """The chunks whose results only the torn state file had, before its tear."""
    behind: Sequence[int] = ()
    """The chunks that only the torn state file calls completed, and whose results stood behind its tear."""


def first_sound(store: Path, *paths: Path) -> ImportableState:
    """Return the state in the first of these files that is not torn, with the results that only a torn file has.

    Raises:
        StateFormatError: a file is whole, and no state: the error names the entry that a person can mend, because an
            older state would lose the newest results. Or all files are torn: the error is that of the first file.
        StoreTargetError: there is no such file.
    """
    torn: StateFormatError | None = None
    for path in paths:
        try:
            state = read_state(path)
            if torn is None:
                return ImportableState(state, None)
            filled, added, behind = completed_from(paths[0], state)
            return ImportableState(filled, torn, added, behind)
        except StateFormatError as error:
            if not _is_no_json(path):
                remedy = "Nothing was changed: mend the state file by hand, and open the store again"
                raise StateFormatError(error.field, f"{error.reason}. {remedy}", path=path) from None
            torn = torn or error
        except StoreTargetError:
            if torn is None and path == paths[-1]:
                raise
    assert torn is not None
    remedy = (
        f"put a sound one in its place, or recover_store({str(store)!r}, accept_loss=True) takes what is whole of it"
    )
    raise StateFormatError(None, f"{torn.reason}. No copy of it reads: {remedy}", path=torn.path)
