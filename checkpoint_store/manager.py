"""StateManager: the face of one current job, for a processor that already calls it."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from checkpoint_store._db.backup import backups_of
from checkpoint_store._db.target import resolve
from checkpoint_store.errors import InvalidArgumentError, JobNotFound
from checkpoint_store.forks import ForkAware, watch
from checkpoint_store.state import JobStatus, ProcessingState
from checkpoint_store.store import CheckpointStore

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from checkpoint_store._db.connect import Durability
    from checkpoint_store.job import Job

DEFAULT_STATE_PATH: Final = ".processing_state.json"


class StateManager(ForkAware):
    """Keeps the state of one current job. Safe to share between threads, and between processes by path.

    The truth is the store file beside ``state_path`` (suffix ``.db``); the state file is written for people to read,
    the one before it has the suffix ``.bak``, the lock ``.lock``. A state file from before the store existed is
    imported once. Nothing is created before the first :meth:`save`.

    Args:
        state_path: the state file.
        lock_timeout_seconds: how long to wait for another process before :class:`StoreBusy`.
        durability: see :class:`CheckpointStore`.
    """

    def __init__(
        self,
        state_path: str | os.PathLike[str] = DEFAULT_STATE_PATH,
        *,
        lock_timeout_seconds: float = 10.0,
        durability: Durability = "power-loss",
    ) -> None:
        path = Path(state_path)
        if path.suffix in (".db", ".lock", ".bak"):
            raise InvalidArgumentError("state_path", str(state_path), "has the suffix of a file beside it; use .json")
        self.store_path: Final = resolve(path.with_suffix(".db") if path.name else "")
        self.state_path: Final = self.store_path.with_suffix(path.suffix)
        self._options: dict[str, Any] = {
            "lock_timeout_seconds": lock_timeout_seconds,
            "durability": durability,
        }
        self.forget_in_child()
        watch(self)
        self._kept = _Kept()
        weakref.finalize(self, self._kept.close)

    def forget_in_child(self) -> None:
        """After a fork, in the child: a thread that held the lock does not exist here."""
        self._guard = threading.RLock()

    def load(self) -> ProcessingState | None:
        """Return the current job's state, results included, or None where there is none."""
        job = self._current()
        return None if job is None else job.state()

    def save(self, state: ProcessingState) -> None:
        """Make ``state`` the current job; durable, and in the state file, when this returns.

        Chunks and results that the store has of this job and ``state`` lacks are kept: nothing that was paid for is
        taken back. :meth:`clear` removes a job.

        Raises:
            SecretInConfig: its config holds what looks like a secret. Nothing was saved.
        """
        if not isinstance(state, ProcessingState):
            raise InvalidArgumentError("state", state, "is not a ProcessingState")
        self._open().save_state(state)

    def update_chunk_complete(self, chunk_index: int, result: object) -> None:
        """Record the result of a chunk (0-based) of the current job; durable when this returns.

        It costs the same for chunk 1 and chunk 100,000. The same result again changes nothing.

        Raises:
            JobNotFound: there is no current job; :meth:`save` one first.
            ChunkOutOfRange, InvalidResultError, ChunkAlreadyCompleted: see :meth:`Job.complete`.
        """
        self._required().complete(chunk_index, result)

    def set_status(self, status: JobStatus | str, error: BaseException | str | None = None) -> None:
        """Set the current job's status and error message; the state file is exact when this returns.

        Raises:
            JobNotFound: there is no current job; :meth:`save` one first.
        """
        if status not in list(JobStatus):
            raise InvalidArgumentError("status", status, f"is none of {', '.join(JobStatus)}")
        self._required().set_status(JobStatus(status), error)

    def has_incomplete_job(self) -> bool:
        """Whether the current job is running or paused and has chunks left. Reads no result."""
        job = self._current()
        if job is None:
            return False
        return job.status in (JobStatus.RUNNING, JobStatus.PAUSED) and job.progress().remaining_chunks > 0

    def clear(self) -> None:
        """Remove the current job, its results and the state file for good: no byte of a result stays in any file.

        Other jobs in the store file stay, and none of them becomes current.
        """
        job = self._current()
        if job is not None:
            self._open().delete_job(job.job_id)

    def close(self) -> None:
        """Make the state file exact and close the store file. The next call opens it again."""
        with self._guard:
            self._kept.close()

    def _open(self) -> CheckpointStore:
        with self._guard:
            if self._kept.store is None:
                self._kept.store = CheckpointStore(self.store_path, state_file=self.state_path, **self._options)
            return self._kept.store

    def _current(self) -> Job | None:
        with self._guard:
            if self._kept.store is None and not self._anything_there():
                return None
            store = self._open()
            job_id = store.current_job_id()
            if self._kept.job is None or self._kept.job.job_id != job_id:
                self._kept.job = None if job_id is None else store.job(job_id)
            return self._kept.job

    def _anything_there(self) -> bool:
        backup = self.state_path.with_suffix(".bak")
        here = any(path.exists() for path in (self.store_path, self.state_path, backup))
        return here or bool(backups_of(self.store_path))

    def _required(self) -> Job:
        job = self._current()
        if job is None:
            raise JobNotFound("the current job", self.store_path)
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Kept:
    """What a manager has open. The face of old had nothing to close, so it is closed with the manager, or at exit."""

    def __init__(self) -> None:
        self.store: CheckpointStore | None = None
        self.job: Job | None = None

    def close(self) -> None:
        store, self.store, self.job = self.store, None, None
        if store is not None:
            store.close()
