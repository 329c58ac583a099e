"""CheckpointStore: one store file, its jobs, and the state file beside it."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from checkpoint_store import codec
from checkpoint_store._db import opening, planning, queries, saving
from checkpoint_store._db.engine import AnyDatabase, Database
from checkpoint_store._db.writer import Writer
from checkpoint_store.errors import (
    CheckpointStoreError,
    InvalidArgumentError,
    InvalidResultError,
    StateFormatError,
    StoreTargetError,
)
from checkpoint_store.export import StateFile, read_state, refuse_stranger
from checkpoint_store.job import Job, Room
from checkpoint_store.plan import Fingerprint, Plan, digest_of_fingerprints, fingerprint
from checkpoint_store.redact import redact_secrets, redact_text, reject_secrets
from checkpoint_store.state import SCHEMA_VERSION, JobStatus, ProcessingState

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from sqlalchemy import Connection

    from checkpoint_store._db.connect import Durability
    from checkpoint_store._db.queries import JobRecord

DEFAULT_TARGET: Final = ".processing_state.db"


class _Beside:
    def __repr__(self) -> str:
        return "<beside the store file, with the suffix .json>"


_BESIDE: Final = _Beside()


class CheckpointStore:
    """Jobs, completed chunks and results in one local SQLite file. Safe to share between threads.

    Any number of threads and processes may have the same file open. Close it, or use it as a context manager.

    Args:
        target: the path of the store file (created with mode 0600 in an existing folder), or ``sqlite:///PATH``.
        state_file: where the state of the job at hand is written for people to read; by default beside the store
            file with the suffix ``.json``; None for nowhere.
        durability: ``"power-loss"``: what was acknowledged survives a power cut. ``"process"``: it survives any end
            of the process, and is faster.
        lock_timeout_seconds: how long to wait for another process before :class:`StoreBusy`.
        migrate: upgrade an older file on opening; otherwise :class:`SchemaTooOld`.
        read_only: create, migrate and touch no file at all.

    Raises:
        StoreTargetError: the target cannot be a store. Nothing was created or changed.
        SchemaTooNew: a newer version of this library wrote it. Nothing was touched.
        MigrationFailed: it could not be upgraded, and is as it was.
    """

    _database: AnyDatabase | None = None

    def __init__(
        self,
        target: str | os.PathLike[str] = DEFAULT_TARGET,
        *,
        state_file: str | os.PathLike[str] | _Beside | None = _BESIDE,
        durability: Durability = "power-loss",
        lock_timeout_seconds: float = 10.0,
        migrate: bool = True,
        read_only: bool = False,
    ) -> None:
        if durability not in ("power-loss", "process"):
            raise InvalidArgumentError("durability", durability, "is neither 'power-loss' nor 'process'")
        if not 0 <= lock_timeout_seconds < 1e9:  # noqa: PLR2004
            raise InvalidArgumentError(
                "lock_timeout_seconds", lock_timeout_seconds, "is not a number of seconds from 0"
            )
        self.path: Final = opening.resolve(target)
        self.durability: Final = durability
        self.state_file: Final = self._state_path(state_file)
        self._lock: Final = opening.lock_path(self.path)
        self._lock_timeout_seconds = lock_timeout_seconds
        if self.state_file is not None and not read_only:
            refuse_stranger(self.state_file)
        database = opening.open_database(
            self.path,
            durability=durability,
            lock_timeout_seconds=lock_timeout_seconds,
            migrate=migrate,
            read_only=read_only,
        )
        self._database = database
        self._room = Room(
            database, Writer(database) if isinstance(database, Database) else None, self._make_state_file(database)
        )
        try:
            self._import_what_is_left()
        except BaseException:
            self._close_database()
            raise

    def _state_path(self, state_file: str | os.PathLike[str] | _Beside | None) -> Path | None:
        if state_file is None:
            return None
        if isinstance(state_file, _Beside):
            return self.path.with_suffix(".json")
        path = Path(state_file).absolute()
        if path == self.path:
            raise StoreTargetError(path, "it is given as the store file and as the state file; they are two files")
        if not path.parent.is_dir():
            raise StoreTargetError(path, f"the folder {path.parent} of the state file does not exist; create it first")
        return path

    def _make_state_file(self, database: AnyDatabase) -> StateFile | None:
        if self.state_file is None or database.read_only:
            return None
        return StateFile(database, self.state_file, self._lock, lock_timeout_seconds=self._lock_timeout_seconds)

    # -- jobs

    def open_job(
        self,
        file_name: str,
        *,
        chunks: Iterable[Any] | None = None,
        total_chunks: int | None = None,
        video_title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        config: Mapping[str, Any] | None = None,
        fingerprint: Fingerprint | None = None,
        on_change: Literal["refuse", "reuse", "restart"] = "refuse",
        fresh: bool = False,
    ) -> Job:
        """Return the job for this file and plan: the one that exists, or a new one. Atomic between processes.

        Args:
            file_name: what the input is called; its newest job is looked for.
            chunks: the pieces: texts, JSON data, or objects with ``.text``, ``.data`` or ``.content``.
            total_chunks: how many there are, where the pieces are not at hand. One of the two is needed.
            video_title: for people to read; no part of the plan.
            model: part of the plan, like ``provider`` and ``config``.
            provider: see ``model``.
            config: JSON data; a secret in it is refused.
            fingerprint: returns what identifies a chunk (text, bytes or JSON data), for chunks of any other kind.
            on_change: what to do where the newest job was made for another plan: ``"refuse"`` raises; ``"reuse"``
                starts a new job with every result whose chunk is unchanged; ``"restart"`` starts a new one from
                nothing. No job is deleted.
            fresh: start a new job from nothing whatever there is.

        Raises:
            PlanChanged: the plan differs and ``on_change`` is ``"refuse"``.
            SecretInConfig: the config holds what looks like a secret.
        """
        pieces = _pieces(chunks, total_chunks)
        if on_change not in ("refuse", "reuse", "restart"):
            raise InvalidArgumentError("on_change", on_change, "is none of 'refuse', 'reuse', 'restart'")
        prints = None if pieces is None else _Prints(pieces, fingerprint)
        plan = Plan(
            file_name=_text("file_name", file_name, required=True),
            total_chunks=total_chunks if pieces is None else len(pieces),  # type: ignore[arg-type]
            model=_text("model", model),
            provider=_text("provider", provider),
            config=_checked_config(config),
            chunks_digest=None if prints is None else digest_of_fingerprints(prints),
        )
        wish = planning.Wish(plan, prints, _text("video_title", video_title), on_change, fresh=fresh)
        record = self._open.write(lambda connection: planning.open_job(connection, wish, self.path))
        self._room.job_changed(record.job_id)
        return Job(self._room, record, pieces, fingerprint)

    @property
    def _open(self) -> AnyDatabase:
        return self._room.database

    def job(self, job_id: str) -> Job:
        """Return the job with this id, or with an id that begins so.

        Raises:
            JobNotFound: there is none, or more than one.
        """
        return self._job(self._open.read(lambda connection: queries.find_job(connection, job_id, self.path)))

    def jobs(self, status: str | None = None, file_name: str | None = None) -> list[Job]:
        """Return the jobs (with this status, of this file), the one opened last first."""
        if status is not None and status not in list(JobStatus):
            raise InvalidArgumentError("status", status, f"is none of {', '.join(JobStatus)}")
        return [self._job(record) for record in self._records(status=status, file_name=file_name)]

    def latest_job(self) -> Job | None:
        """Return the job opened last, or None."""
        return next(map(self._job, self._records(limit=1)), None)

    def current_job(self) -> Job | None:
        """Return the job that the state file shows, or None where there is none (or it was cleared)."""
        return next(map(self._job, self._records(current=True)), None)

    def current_job_id(self) -> str | None:
        """Return the id of :meth:`current_job`, by the shortest way."""
        row = self._open.read_row("SELECT job_id FROM jobs WHERE is_current = 1", ())
        return None if row is None else str(row[0])

    def _records(self, **which: Any) -> list[JobRecord]:
        def work(connection: Connection) -> list[JobRecord]:
            return queries.list_jobs(connection, self.path, **which)

        return self._open.read(work)

    def _job(self, record: JobRecord) -> Job:
        return Job(self._room, record)

    def delete_job(self, job_id: str) -> None:
        """Delete a job, its completed chunks and its results for good, from every file of this store.

        Its bytes are overwritten, and the state file is removed where it shows this job.

        Raises:
            JobNotFound: there is none (or more than one) with this id or prefix.
        """
        database = self._open

        def work(connection: Connection) -> JobRecord:
            record = queries.find_job(connection, job_id, self.path)
            queries.delete_job(connection, record.job_id)
            return record

        record = database.write(work)
        if self._room.state_file is not None:
            self._room.state_file.forget(record.job_id)
            if record.is_current or self._state_file_shows(record.job_id):
                self._room.state_file.remove()
        if isinstance(database, Database):
            database.scrub_log(queries.touch)

    def _state_file_shows(self, job_id: str) -> bool:
        assert self.state_file is not None
        try:
            return read_state(self.state_file).job_id == job_id
        except CheckpointStoreError:
            return False

    # -- states

    def import_state(self, path: str | os.PathLike[str]) -> Job:
        """Take the job in a state file into the store and return it.

        A job that is there already gets what it lacks; nothing of it is replaced. Secrets in the file's config are
        replaced by ``"[redacted]"``, with a warning.

        Raises:
            StateFormatError: the file is no state; it names the field.
            ChunkAlreadyCompleted: the store has another result for a chunk. Nothing was imported.
        """
        state, _ = _without_secrets(read_state(Path(path).absolute()))
        return self._save(state, replace=False)

    def save_state(self, state: ProcessingState) -> Job:
        """Take a state into the store as the current job: what it says holds, and chunks it lacks stay complete."""
        reject_secrets(state.to_dict()["config"])
        return self._save(state, replace=True)

    def _save(self, state: ProcessingState, *, replace: bool) -> Job:
        record = self._open.write(lambda connection: saving.save(connection, state, self.path, replace=replace))
        self._room.job_changed(record.job_id)
        return self._job(record)

    def _import_what_is_left(self) -> None:
        """A new store beside a state file takes it in: written before stores existed, or all that survived."""
        state_file = self._room.state_file
        if state_file is None or not (state_file.path.exists() or state_file.backup.exists()):
            return
        if self._records(limit=1):
            return
        state, redacted = _without_secrets(_first_sound(state_file.path, state_file.backup))
        self._save(state, replace=False)
        if redacted:
            state_file.backup.unlink(missing_ok=True)

    # -- the store itself

    def info(self) -> dict[str, Any]:
        """Return facts about the store: paths, schema and SQLite versions, journal mode, durability, counts."""
        return {
            "path": str(self.path),
            "state_file": None if self.state_file is None else str(self.state_file),
            "schema_version": SCHEMA_VERSION,
            "sqlite_version": sqlite3.sqlite_version,
            "durability": self.durability,
            "read_only": self._open.read_only,
            **self._open.read(queries.facts),
        }

    def close(self) -> None:
        """Make the state file exact and close the store. Closing twice is fine."""
        if self._database is None or self._database.closed:
            return
        try:
            if self._room.state_file is not None:
                self._room.state_file.write_if_behind()
        finally:
            self._close_database()

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._database is not None and not self._database.closed and not self._database.read_only:
            warnings.warn(
                f"{self.path} was never closed: call close(), or use `with CheckpointStore(...)`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
            self._close_database()

    def __repr__(self) -> str:
        return f"<CheckpointStore {str(self.path)!r}>"


class _Prints:
    """The fingerprints of chunks, computed as they are asked for: a million of them need no memory."""

    def __init__(self, chunks: Sequence[Any], by: Fingerprint | None) -> None:
        self._chunks, self._by = chunks, by

    def __iter__(self) -> Any:
        return (fingerprint(chunk, self._by) for chunk in self._chunks)


def _pieces(chunks: Iterable[Any] | None, total_chunks: int | None) -> Sequence[Any] | None:
    if (chunks is None) == (total_chunks is None):
        raise InvalidArgumentError("chunks", chunks, "and total_chunks: give one of the two")
    if chunks is None:
        if type(total_chunks) is not int or not 0 <= total_chunks < 2**62:
            raise InvalidArgumentError("total_chunks", total_chunks, "is not a whole number from 0")
        return None
    if isinstance(chunks, str | bytes | Mapping):
        raise InvalidArgumentError("chunks", chunks, f"is one {type(chunks).__name__}; give a list of chunks")
    if not isinstance(chunks, Iterable):
        raise InvalidArgumentError("chunks", chunks, "is not a list of chunks; for a number, use total_chunks=")
    return chunks if isinstance(chunks, Sequence) else list(chunks)


def _text(name: str, value: object, *, required: bool = False) -> Any:
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value):
        raise InvalidArgumentError(name, value, "is not a non-empty text" if required else "is not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(name, value, "has a lone surrogate, which UTF-8 cannot hold") from None
    return str(value)


def _checked_config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise InvalidArgumentError("config", config, "is not a mapping")
    plain = dict(config)
    try:
        text = codec.encode(plain, name="config")
    except InvalidResultError as error:
        raise InvalidArgumentError(error.path, ..., error.reason) from error
    reject_secrets(plain)
    kept: dict[str, Any] = codec.decode(text)
    return kept


def _without_secrets(state: ProcessingState) -> tuple[ProcessingState, bool]:
    config = state.to_dict()["config"]
    clean = redact_secrets(config)
    message = None if state.error_message is None else redact_text(state.error_message)
    if clean == config and message == state.error_message:
        return state, False
    warnings.warn(
        f"the state of job {state.job_id} held what looks like a secret; it was replaced by [redacted]",
        stacklevel=4,
    )
    return state.replace(config=clean, error_message=message), True


def _first_sound(*paths: Path) -> ProcessingState:
    """Return the state in the first of these files that can be read; the first one's error where none can."""
    first: CheckpointStoreError | None = None
    for path in paths:
        try:
            return read_state(path)
        except (StateFormatError, StoreTargetError) as error:
            if isinstance(error, StateFormatError) and error.field == "version":
                raise
            first = first if isinstance(first, StateFormatError) else error
    assert first is not None
    raise first
