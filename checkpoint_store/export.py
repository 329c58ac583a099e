"""A job to its state file: streamed, whole at every moment, and never at more than its share of the time."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store._db import queries
from checkpoint_store.errors import CheckpointStoreError, JobNotFound, StateFormatError, StoreTargetError
from checkpoint_store.files import replace_file, storage_error, sweep
from checkpoint_store.locks import file_lock
from checkpoint_store.state import SCHEMA_VERSION, ProcessingState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store._db.reading import AnyDatabase

_SHARE: Final = 0.03
"""Of the elapsed time, what following the chunks may cost; the promise is 0.05."""
_TORN: Final = 40
"""A state file cut off before its ``job_id`` is shorter than this."""
_CREDIT_SECONDS: Final = 0.1
"""What may be spent in advance, so that the file of a small, quick job is exact after each chunk."""


def state_pieces(connection: Connection, job_id: str, path: Path) -> Iterator[str]:
    """Yield the JSON text of a job's state, from one snapshot, in constant memory; results as they are stored."""
    record = queries.find_job(connection, job_id, path)
    head = {
        "version": SCHEMA_VERSION,
        "job_id": record.job_id,
        "status": record.status.value,
        "file_name": record.file_name,
        "video_title": record.video_title,
        "model": record.model,
        "provider": record.provider,
        "total_chunks": record.total_chunks,
    }
    tail = {
        "started_at": record.started_at,
        "updated_at": record.updated_at,
        "error_message": record.error_message,
        "config": record.config,
    }
    yield "{\n" + "".join(f"  {_text(name)}: {_text(value)},\n" for name, value in head.items())
    yield '  "completed_chunks": ['
    yield from _joined(map(str, _indices(connection, job_id)), ", ")
    yield '],\n  "processed_results": ['
    yield from _joined((f"\n    {text}" for text in queries.result_texts(connection, job_id, path)), ",")
    yield ("\n  ],\n" + ",\n".join(f"  {_text(name)}: {_indented(value)}" for name, value in tail.items()) + "\n}\n")


def _indices(connection: Connection, job_id: str) -> Iterator[int]:
    """The order of a state: chunks with a result first, so that results can be paired by position."""
    yield from queries.indices_with_result(connection, job_id, present=True)
    yield from queries.indices_with_result(connection, job_id, present=False)


def _joined(pieces: Iterator[str], separator: str) -> Iterator[str]:
    first = next(pieces, None)
    if first is not None:
        yield first
        for piece in pieces:
            yield separator + piece


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2).replace("\n", "\n  ")


def read_state(path: Path) -> ProcessingState:
    """Return the state in a state file.

    Raises:
        StateFormatError: it is not one; the error names file and field.
        StoreTargetError: there is no such file.
    """
    try:
        return ProcessingState.from_json(path.read_bytes())
    except StateFormatError as error:
        raise StateFormatError(error.field, error.reason, path=path) from error
    except FileNotFoundError:
        raise StoreTargetError(path, "there is no such state file") from None
    except OSError as error:
        raise storage_error(error, path) from error


def refuse_own(path: Path, store: Path) -> None:
    """Raise :class:`StoreTargetError` where a state would be written over the store file or what belongs to it."""
    there, own = path.parent.resolve() / path.name, store.parent.resolve() / store.name
    beside = [own.with_suffix(".lock"), *(own.with_name(f"{own.name}{end}") for end in ("-wal", "-shm", "-journal"))]
    if there in (own, *beside) or (path.exists() and store.exists() and path.samefile(store)):
        raise StoreTargetError(path, f"it is the store file {store} or belongs to it; a state needs a file of its own")
    _refuse_special(path)


def _refuse_special(path: Path) -> None:
    """A pipe would be waited for, a device or a folder would be replaced by a file."""
    if path.exists() and not path.is_file():
        raise StoreTargetError(path, "it is not a regular file; a state file is one")


def refuse_stranger(path: Path) -> None:
    """Raise :class:`StoreTargetError` where a file that is no state file stands in the place of ours."""
    _refuse_special(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, path) from error
    # After a power cut a file may be all NUL, or none of it.
    if start.strip(b"\0 \r\n\t") and not _looks_like_ours(start):
        raise StoreTargetError(
            path, "it holds something else, and the state file would replace it; pass state_file=PATH or None"
        )


def _looks_like_ours(start: bytes) -> bool:
    """Whether this begins a state file, even one that was cut off."""
    inside = start.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not inside.startswith(b"{"):
        return False
    if b'"job_id"' in start:
        return True
    first = inside[1:].lstrip()
    begins = first.startswith(b'"version"') or b'"version"'.startswith(first)
    return len(start) < _TORN and begins and not start.rstrip().endswith(b"}")


_GLANCE: Final = re.compile(
    rb'\A\{\n  "version": .*\n  "job_id": (?P<job_id>".*"),\n(?:  .*\n){6}'
    rb'  "completed_chunks": \[(?P<indices>[\d, ]*)\],\n'
)


def glance(path: Path) -> tuple[str, int] | None:
    """Return the job in a state file that we wrote, and how many chunks it has completed, without its results."""
    try:
        with path.open("rb") as file:
            found = _GLANCE.match(b"".join(file.readline() for _ in range(10)))
    except OSError:
        return None
    if found is None:
        return None
    return json.loads(found["job_id"]), found["indices"].count(b",") + bool(found["indices"])


class StateFile:
    """The state file of a store: what it shows, and when it may be written again."""

    def __init__(self, database: AnyDatabase, path: Path, lock: Path, *, lock_timeout_seconds: float) -> None:
        self.path = path
        self.backup = path.with_suffix(".bak")
        self._database = database
        self._lock = lock
        self._lock_timeout_seconds = lock_timeout_seconds
        self._busy = threading.Lock()
        self._behind: str | None = None
        self._credit = _CREDIT_SECONDS
        self._counted_at = time.monotonic()

    def follow(self, job_id: str) -> None:
        """A chunk of this job was completed: write the file if it has cost less than its share so far."""
        self._behind = job_id
        moment = time.monotonic()
        self._credit = min(_CREDIT_SECONDS, self._credit + (moment - self._counted_at) * _SHARE)
        self._counted_at = moment
        if self._credit <= 0 or not self._busy.acquire(blocking=False):
            return
        try:
            # The store is the truth; a file that cannot be written now is written later.
            with suppress(CheckpointStoreError):
                self._write(job_id, self.path, 0.0)
        finally:
            self._busy.release()

    def write(self, job_id: str) -> Path:
        """Write the file as the job is now. Exact and durable when this returns."""
        with self._busy:
            self._write(job_id, self.path, self._lock_timeout_seconds)
        return self.path

    def write_if_behind(self) -> None:
        """Write the file unless it is exact already."""
        if self._behind is not None:
            with suppress(JobNotFound):  # deleted meanwhile, with its state file, by another process
                self.write(self._behind)

    def _write(self, job_id: str, path: Path, timeout_seconds: float) -> None:
        started = time.monotonic()
        try:
            with file_lock(self._lock, timeout_seconds):
                sweep(path)
                sweep(self.backup)
                self._behind = None
                try:
                    self._database.read(
                        lambda connection: replace_file(
                            path, state_pieces(connection, job_id, self._database.path), backup=self.backup
                        )
                    )
                except BaseException:
                    self._behind = job_id
                    raise
        finally:
            self._credit -= time.monotonic() - started

    def remove(self) -> None:
        """Remove the file, the one before it, and whatever a killed writer left."""
        with self._busy, file_lock(self._lock, self._lock_timeout_seconds):
            self._behind = None
            sweep(self.path)
            sweep(self.backup)
            try:
                self.path.unlink(missing_ok=True)
                self.backup.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error, self.path) from error

    def forget(self, job_id: str) -> None:
        """This job was deleted: nothing of it is written again, and neither the file nor the one before shows it."""
        if self._behind == job_id:
            self._behind = None
        with self._busy, file_lock(self._lock, self._lock_timeout_seconds):
            for path in (self.path, self.backup):
                sweep(path)
                if _shows(path, job_id):
                    try:
                        path.unlink(missing_ok=True)
                    except OSError as error:
                        raise storage_error(error, path) from error


def _shows(path: Path, job_id: str) -> bool:
    try:
        return read_state(path).job_id == job_id
    except StateFormatError:  # torn: nothing can be said of it, except by its bytes
        return job_id.encode() in path.read_bytes()
    except CheckpointStoreError:
        return False


def write_state(database: AnyDatabase, job_id: str, path: Path) -> Path:
    """Write a job's state to any path but the store's own, whole and durable when this returns."""
    refuse_own(path, database.path)
    database.read(lambda connection: replace_file(path, state_pieces(connection, job_id, database.path)))
    return path
