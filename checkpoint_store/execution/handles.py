"""Handles of work that a service holds, recorded wherever the work on a chunk is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, StorageUnavailableError
from checkpoint_store.model.handles import checked_handle
from checkpoint_store.storage.opening import Opener
from checkpoint_store.storage.storage import Storage

if TYPE_CHECKING:
    from checkpoint_store.storage.handle_verbs import HandleStorage

_SHOWN: Final = 5


class HandleRecorder:
    """Records the handle of one chunk in the store that this process has open. Sent elsewhere, it opens that itself.

    ``recorder(handle)`` is durable when it returns; None clears the handle.
    """

    __slots__ = ("_fingerprint", "_index", "_job_id", "_storage")

    def __init__(self, storage: HandleStorage, job_id: str, index: int, fingerprint: str | None) -> None:
        self._storage, self._job_id, self._index, self._fingerprint = storage, job_id, index, fingerprint

    def __call__(self, handle: str | None) -> None:
        """Record the handle."""
        checked = checked_handle(handle, place_of(self._job_id, [self._index]))
        self._storage.record(self._job_id, {self._index: self._fingerprint}, checked)

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self._storage
        state_files = tuple(map(str, storage.state_files))
        chunk = (self._job_id, self._index, self._fingerprint)
        return RecorderElsewhere, (str(storage.path), state_files, storage.lock_timeout_seconds, *chunk)


@dataclass(frozen=True, slots=True)
class RecorderElsewhere:
    """A :class:`HandleRecorder` in a worker process: it opens the store for each handle.

    Raises:
        StorageUnavailableError: the store's file is not there, as on another machine.
    """

    path: str
    state_files: tuple[str, ...]
    lock_timeout_seconds: float
    job_id: str
    index: int
    fingerprint: str | None

    def __call__(self, handle: str | None) -> None:
        """Record the handle."""
        checked = checked_handle(handle, place_of(self.job_id, [self.index]))
        path = Path(self.path)
        if not path.exists():
            reason = "it is not on this machine; return the handle, and record it where the loop runs"
            raise StorageUnavailableError(path, reason)
        opener = Opener(
            path,
            tuple(map(Path, self.state_files)),
            durability="power-loss",
            lock_timeout_seconds=self.lock_timeout_seconds,
        )
        storage = Storage(opener.open(migrate=False), opener.state_files)
        try:
            storage.handles.record(self.job_id, {self.index: self.fingerprint}, checked)
        finally:
            storage.close()


def checked_indices(given: object) -> list[int]:
    """Return which chunks a handle is for, in their order; one index stands for itself.

    Raises:
        InvalidArgumentError: it is no list of chunk indices.
    """
    if type(given) is int:
        return [given]
    try:
        found: list[Any] = list(given)  # type: ignore[call-overload]
    except TypeError:
        raise InvalidArgumentError("indices", given, "is no list of chunk indices; give [0, 1, 2]") from None
    return found


def place_of(job_id: str, indices: list[int]) -> str:
    """Return whose handle it is, for an error."""
    named = ", ".join(map(str, indices[:_SHOWN])) + (" …" if len(indices) > _SHOWN else "")
    return f"chunk{'' if len(indices) == 1 else 's'} {named} of job {job_id}"
