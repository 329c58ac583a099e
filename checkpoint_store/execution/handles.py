"""Handles of work that a service holds, recorded wherever the work on a chunk is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, StorageUnavailableError, StoreBusy
from checkpoint_store.model.state.pairing import few
from checkpoint_store.storage.opened_store import open_for_writing
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.storage.verbs.handles import HandleStorage

HANDLE_LENGTH_MAX: Final = 4096
"""The most characters of a handle: an id, or a URL."""
_BUSY_TIMEOUTS_MAX: Final = 6
"""How many times ``lock_timeout_seconds`` to wait for a busy store, as long as for a result in hand."""


class HandleRecorder:
    """Records the handle of one attempt in the store that this process has open. In another process it opens the store.

    ``recorder(handle)`` records a handle, durably when it returns; ``recorder(None)`` clears the handle.
    """

    __slots__ = ("_fingerprint", "_index", "_job_id", "_number", "_storage")

    def __init__(self, storage: HandleStorage, job_id: str, index: int, number: int, fingerprint: str | None) -> None:
        self._storage, self._job_id, self._index = storage, job_id, index
        self._number, self._fingerprint = number, fingerprint

    def __call__(self, handle: str | None) -> None:
        """Record the handle."""
        owner = chunks_of_job(self._job_id, [self._index])
        checked = checked_handle(handle, owner)
        named = {self._index: self._fingerprint}
        persist(lambda: self._storage.record(self._job_id, named, checked, attempt=self._number), checked, owner)

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self._storage
        state_files = tuple(map(str, storage.state_files))
        chunk = (self._job_id, self._index, self._number, self._fingerprint)
        return RecorderElsewhere, (str(storage.path), state_files, storage.lock_timeout_seconds, *chunk)


@dataclass(frozen=True, slots=True)
class RecorderElsewhere:
    """A :class:`HandleRecorder` in a worker process: it opens the store for each handle.

    Raises:
        StorageUnavailableError: the store's file is missing, as on another machine.
    """

    path: str
    state_files: tuple[str, ...]
    lock_timeout_seconds: float
    job_id: str
    index: int
    number: int
    fingerprint: str | None

    def __call__(self, handle: str | None) -> None:
        """Record the handle."""
        owner = chunks_of_job(self.job_id, [self.index])
        checked = checked_handle(handle, owner)
        persist(lambda: self._record(checked), checked, owner)

    def _record(self, handle: str | None) -> None:
        path = Path(self.path)
        if not is_there(path):
            reason = "it is not on this machine; return the handle, and record it where the loop runs"
            raise StorageUnavailableError(path, reason)
        storage, _ = open_for_writing(
            path,
            tuple(map(Path, self.state_files)),
            durability="power-loss",
            lock_timeout_seconds=self.lock_timeout_seconds,
            migrate=False,
        )
        try:
            storage.handles.record(self.job_id, {self.index: self.fingerprint}, handle, attempt=self.number)
        finally:
            storage.close()


def persist(record: Callable[[], None], handle: str | None, owner: str) -> None:
    """Record a handle, and wait long for a locked store: the work behind the handle is paid for.

    Raises:
        CheckpointStoreError: the handle cannot be recorded; the notes of the error have it.
    """
    for timeouts in range(1, _BUSY_TIMEOUTS_MAX + 1):
        try:
            record()
        except StoreBusy as busy:
            if timeouts < _BUSY_TIMEOUTS_MAX:
                log.warning("the handle %r of %s: retrying until the store is free: %s", handle, owner, busy)
                continue
            busy.add_note(_unrecorded(handle, owner))
            raise
        except CheckpointStoreError as error:
            error.add_note(_unrecorded(handle, owner))
            raise
        return


def _unrecorded(handle: str | None, owner: str) -> str:
    return f"The handle {handle!r} of {owner} was not recorded."


def checked_handle(handle: object, owner: str) -> str | None:
    """Return a handle, checked; None stands for no handle.

    It is a text of 1 to 4,096 characters, without NUL. ``owner`` are the chunks that it belongs to, as words of the
    error.

    Raises:
        InvalidArgumentError: it is something else; the error names the chunks and the value.
    """
    if handle is None:
        return None
    if not isinstance(handle, str) or not handle.strip():
        raise InvalidArgumentError("handle", handle, f"of {owner} is no text (None clears a handle)")
    if len(handle) > HANDLE_LENGTH_MAX:
        reason = f"of {owner} has {len(handle):,} characters, more than {HANDLE_LENGTH_MAX:,}"
        raise InvalidArgumentError("handle", handle, f"{reason}: keep such data in a file, and record its name")
    if "\0" in handle:
        raise InvalidArgumentError("handle", handle, f"of {owner} has a NUL, at which SQLite's shell stops")
    try:
        handle.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            "handle", handle, f"of {owner} has a lone surrogate, which UTF-8 cannot hold"
        ) from None
    return str(handle)


def chunks_of_job(job_id: str, indices: list[int]) -> str:
    """Return the chunks and the job of a handle as words, for an error."""
    return f"chunk{'' if len(indices) == 1 else 's'} {few(indices)} of job {job_id}"
