"""Handles of work that a service holds, recorded wherever the work on a chunk is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, StorageUnavailableError, StoreBusy
from checkpoint_store.model.state.pairing import few
from checkpoint_store.storage.storage import open_for_writing
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from checkpoint_store.storage.verbs.handles import HandleStorage

HANDLE_LENGTH_MAX: Final = 4096
"""The most characters of a handle: an id, or a URL."""
_BUSY_TIMEOUTS_MAX: Final = 6
"""How many times ``lock_timeout_seconds`` to wait for a busy store, as long as for a result in hand."""


@dataclass(slots=True, eq=False)
class HandleRecorder:
    """Records the handle of one attempt, durably when it returns; None clears the handle.

    It records in the store that this process has open. In another process it opens the store for each handle.
    """

    _storage: HandleStorage | StoreElsewhere
    _job_id: str
    _index: int
    _number: int
    _fingerprint: str | None

    def __call__(self, handle: str | None) -> None:
        """Record the handle."""
        record_handle(self._storage, self._job_id, {self._index: self._fingerprint}, handle, attempt=self._number)

    def __reduce__(self) -> tuple[Any, ...]:
        storage = self._storage
        if not isinstance(storage, StoreElsewhere):
            storage = StoreElsewhere(storage.path, tuple(storage.state_files), storage.lock_timeout_seconds)
        return HandleRecorder, (storage, self._job_id, self._index, self._number, self._fingerprint)


@dataclass(frozen=True, slots=True)
class StoreElsewhere:
    """The store of the process that has a job at work, for its worker processes."""

    path: Path
    state_files: tuple[Path, ...]
    lock_timeout_seconds: float

    def record(
        self, job_id: str, fingerprints: Mapping[int, str | None], handle: str | None, *, attempt: int | None
    ) -> None:
        """Open the store (it is missing on another machine), and record a handle; see :meth:`HandleStorage.record`."""
        if not is_there(self.path):
            reason = "it is not on this machine; return the handle, and record it where the loop runs"
            raise StorageUnavailableError(self.path, reason)
        storage, _ = open_for_writing(
            self.path,
            self.state_files,
            durability="power-loss",
            lock_timeout_seconds=self.lock_timeout_seconds,
            migrate=False,
        )
        try:
            storage.handles.record(job_id, fingerprints, handle, attempt=attempt)
        finally:
            storage.close()


def record_handle(
    storage: HandleStorage | StoreElsewhere,
    job_id: str,
    fingerprints: Mapping[int, str | None],
    handle: str | None,
    *,
    attempt: int | None = None,
) -> None:
    """Record a handle, checked, of these chunks; see :meth:`HandleStorage.record`.

    A locked store is waited for long, because the work is paid for. The notes of an error have the handle.
    """
    owner = f"chunk{'' if len(fingerprints) == 1 else 's'} {few(list(fingerprints))} of job {job_id}"
    checked = _checked(handle, owner)
    for timeouts in range(1, _BUSY_TIMEOUTS_MAX + 1):
        try:
            storage.record(job_id, fingerprints, checked, attempt=attempt)
        except CheckpointStoreError as error:
            if isinstance(error, StoreBusy) and timeouts < _BUSY_TIMEOUTS_MAX:
                log.warning("the handle %r of %s: retrying until the store is free: %s", checked, owner, error)
                continue
            error.add_note(f"The handle {checked!r} of {owner} was not recorded.")
            raise
        return


def _checked(handle: object, owner: str) -> str | None:
    """Return a handle, checked; None stands for no handle.

    It is a text of 1 to 4,096 characters, without NUL. ``owner`` are the chunks that it belongs to, as words of the
    error.
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
