"""CheckpointStore: one store file, its jobs, and the state file beside it."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from checkpoint_store.errors import (
    CheckpointStoreError,
    InvalidArgumentError,
    StoreRecovered,
    StoreTargetError,
)
from checkpoint_store.execution import closing
from checkpoint_store.execution.claims.runner import miss_the_dead
from checkpoint_store.execution.execution import Room
from checkpoint_store.execution.loops import Loops
from checkpoint_store.execution.opening import Prints, checked_change, checked_config, checked_pieces, checked_text
from checkpoint_store.job import Job
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.plan import Fingerprint, Plan, digest_of_fingerprints
from checkpoint_store.model.records import JobStatus, Problem, RunPlan
from checkpoint_store.model.versions import SCHEMA_VERSION
from checkpoint_store.state_file import importer
from checkpoint_store.state_file.reader import read_state, refuse_own, without_secrets
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage import destination, opening
from checkpoint_store.storage.backup import RollingBackup, back_up, remove_backups
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.file_names import STORE_SUFFIX, StoreFiles, state_copies
from checkpoint_store.storage.group_commit import Writer
from checkpoint_store.storage.recovery import integrity
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.target import resolve

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from checkpoint_store.loop.options import LoopOptions
    from checkpoint_store.model.state import ProcessingState
    from checkpoint_store.storage.connection.pragmas import Durability
    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.records import JobRecord, Wish
    from checkpoint_store.storage.statements.save_state import Known

DEFAULT_TARGET: Final = ".processing_state.db"


class _Beside:
    def __repr__(self) -> str:
        return "<beside the store file, with the suffix .json>"


_BESIDE: Final = _Beside()


class CheckpointStore:
    """Jobs, completed chunks and results in one local SQLite file. Safe to share between threads.

    Any number of threads and processes may have the same file open. Close it, or use it as a context manager; it is
    open for as long as a job, a chunk or a loop of it is in use.

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
        self.path: Final = resolve(target)
        self.durability: Final = durability
        self.state_file: Final = self._state_path(state_file)
        self._lock: Final = StoreFiles(self.path).lock
        self._lock_timeout_seconds = lock_timeout_seconds
        for_new_store = None if read_only else importer.state_for_new_store(self.path, self.state_file)
        opener = opening.Opener(
            self.path, self._state_copies(), durability=durability, lock_timeout_seconds=lock_timeout_seconds
        )
        database = opener.open_read_only() if read_only else opener.open(migrate=migrate)
        self._database = database
        self._room = self._make_room(database)
        self.recovery: Final = opener.report
        """What opening had to recover, or None."""
        try:
            if self._room.state_file is not None:
                self._room.state_file.sweep()
            if isinstance(database, Database):
                miss_the_dead(database)
            self._import_state_file(for_new_store)
            if self.recovery is not None:
                warnings.warn(str(self.recovery), StoreRecovered, stacklevel=2)
        except BaseException:  # a warning too, where warnings are errors
            self._close_database()
            raise

    def _state_copies(self) -> tuple[Path, ...]:
        return () if self.state_file is None else state_copies(self.state_file)

    def _state_path(self, state_file: str | os.PathLike[str] | _Beside | None) -> Path | None:
        if state_file is None:
            return None
        if isinstance(state_file, _Beside):
            return StoreFiles(self.path).state_file
        path = Path(state_file).absolute()
        if path.suffix in (STORE_SUFFIX, ".lock", ".bak", ".open"):
            raise StoreTargetError(path, f"the suffix {path.suffix} is for the files beside a state file; use .json")
        if not path.parent.is_dir():
            raise StoreTargetError(path, f"the folder {path.parent} of the state file does not exist; create it first")
        refuse_own(path, self.path)
        return path

    def _make_room(self, database: AnyDatabase) -> Room:
        if not isinstance(database, Database):
            return Room(database, None, None, None, Loops(self.path))
        follower = None
        if self.state_file is not None:
            follower = StateFile(database, self.state_file, self._lock, lock_timeout_seconds=self._lock_timeout_seconds)
        rolling = RollingBackup(database, self._lock)
        return Room(database, Writer(database), follower, rolling, Loops(self.path))

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
        exclusive: bool = False,
    ) -> Job:
        """Return the job for this file and plan: the one that exists, or a new one. Atomic between processes.

        A job of this very plan goes on, however many other jobs of the file were opened since; of several the newest.
        It is then the newest and the current job. Where no job of the file has a completed chunk, a new job begins.
        Otherwise the plan is compared with that of the newest job that has completed chunks.

        Args:
            file_name: what the input is called; its jobs are looked for.
            chunks: the pieces: texts, JSON data, or objects with ``.text``, ``.data`` or ``.content``.
            total_chunks: how many there are, where the pieces are not at hand. One of the two is needed.
            video_title: for people to read; no part of the plan.
            model: part of the plan, like ``provider`` and ``config``.
            provider: see ``model``.
            config: JSON data; a secret in it is refused.
            fingerprint: returns what identifies a chunk (text, bytes or JSON data), for chunks of any other kind.
            on_change: what to do where no job was made for this plan, and one for another plan has completed chunks:
                ``"refuse"`` raises; ``"reuse"`` starts a new job with every result of that job whose chunk is
                unchanged; ``"restart"`` starts a new one from nothing. No job is deleted.
            fresh: start a new job from nothing whatever there is.
            exclusive: have the job for this runner alone, until it is completed, or its ``with`` block or the store
                ends.

        Raises:
            JobBusy: another runner is at work on the job and this one is to be ``exclusive``, or the other way round.
            PlanChanged: the plan differs and ``on_change`` is ``"refuse"``.
            SecretInConfig: the config holds what looks like a secret.
        """
        wish, pieces = self._wish(
            file_name,
            chunks=chunks,
            total_chunks=total_chunks,
            video_title=video_title,
            model=model,
            provider=provider,
            config=config,
            fingerprint=fingerprint,
            on_change=on_change,
            fresh=fresh,
        )

        from checkpoint_store.storage.statements import open_job as open_job_statements  # noqa: PLC0415 - only for those who begin a job

        def work(connection: sqlite3.Connection) -> JobRecord:
            found = open_job_statements.open_job(connection, wish, self.path)
            if exclusive:
                self._room.claims_of(found.job_id).refuse_if_busy(connection, exclusive=True)
            return found

        record = self._open.write(work)
        if exclusive:
            self._room.claims_of(record.job_id).start(exclusive=True)
        self._room.job_changed(record.job_id)
        return Job(self, self._room, record, pieces, fingerprint)

    def plan(
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
    ) -> RunPlan:
        """Return what :meth:`open_job` with the same arguments, and working the job off, would do. Nothing is written.

        It takes (and refuses) what ``open_job`` does, except that a changed plan is an answer here: its action is
        ``"refuse"``.
        """
        wish, _ = self._wish(
            file_name,
            chunks=chunks,
            total_chunks=total_chunks,
            video_title=video_title,
            model=model,
            provider=provider,
            config=config,
            fingerprint=fingerprint,
            on_change=on_change,
            fresh=fresh,
        )

        from checkpoint_store.storage.statements import earlier_job  # noqa: PLC0415 - see open_job()
        from checkpoint_store.storage.statements import open_job as open_job_statements  # noqa: PLC0415 - only for those who begin a job

        def work(connection: sqlite3.Connection) -> RunPlan:
            return open_job_statements.plan_run(
                connection, wish, self.path, earlier_job.earlier_job(connection, wish.plan, self.path)
            )

        return self._open.read(work)

    def _wish(
        self,
        file_name: str,
        *,
        chunks: Iterable[Any] | None,
        total_chunks: int | None,
        video_title: str | None,
        model: str | None,
        provider: str | None,
        config: Mapping[str, Any] | None,
        fingerprint: Fingerprint | None,
        on_change: str,
        fresh: bool,
    ) -> tuple[Wish, Sequence[Any] | None]:
        """Return what a caller wants, checked, and its chunks where they are at hand."""
        from checkpoint_store.storage import records  # noqa: PLC0415 - see open_job()

        pieces = checked_pieces(chunks, total_chunks)
        change = checked_change(on_change)
        prints = None if pieces is None else Prints(pieces, fingerprint)
        plan = Plan(
            file_name=checked_text("file_name", file_name, required=True),
            total_chunks=total_chunks if pieces is None else len(pieces),  # type: ignore[arg-type]
            model=checked_text("model", model),
            provider=checked_text("provider", provider),
            config=checked_config(config),
            chunks_digest=None if prints is None else digest_of_fingerprints(prints),
        )
        return records.Wish(plan, prints, checked_text("video_title", video_title), change, fresh=fresh), pieces

    def map(
        self,
        fn: Callable[[Any], Any],
        chunks: Iterable[Any],
        *,
        file_name: str,
        video_title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        config: Mapping[str, Any] | None = None,
        fingerprint: Fingerprint | None = None,
        on_change: Literal["refuse", "reuse", "restart"] = "refuse",
        fresh: bool = False,
        exclusive: bool = False,
        **options: Unpack[LoopOptions],
    ) -> list[Any]:
        """Open the job, do what is left of it, and return all results in order, those of earlier runs included.

        See :meth:`open_job` for the plan and :meth:`Job.map` for the options. With ``on_error="record"`` a failed
        chunk's place is taken by None; :meth:`Job.failed_chunks` says why.

        Raises:
            JobPaused: the job was paused before the end.
            ChunkFailed: chunks failed (with ``on_error="stop"``, unless an error of the work itself is raised).
        """
        from checkpoint_store.loop.options import Options, checked_work  # noqa: PLC0415 - only for those who use it

        checked_work(fn)
        Options(**options)  # what is wrong with them is said before there is a job
        job = self.open_job(
            file_name,
            chunks=chunks,
            video_title=video_title,
            model=model,
            provider=provider,
            config=config,
            fingerprint=fingerprint,
            on_change=on_change,
            fresh=fresh,
            exclusive=exclusive,
        )
        for _ in job.map(fn, **(options | {"on_pause": "raise"})):
            pass
        results = dict(job.items())
        return [results.get(index) for index in range(job.total_chunks)]

    @property
    def _open(self) -> AnyDatabase:
        return self._room.database

    def job(self, job_id: str) -> Job:
        """Return the job with this id, or with an id that begins so.

        Raises:
            JobNotFound: there is none, or more than one.
        """
        return self._job(self._open.read(lambda connection: job_statements.find_job(connection, job_id, self.path)))

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

    def current_job_row(self) -> tuple[str, int, str] | None:
        """Return id, number of chunks and status of :meth:`current_job`, by the shortest way."""
        row = self._open.read_row("SELECT job_id, total_chunks, status FROM jobs WHERE is_current = 1", ())
        return None if row is None else (str(row[0]), int(row[1]), str(row[2]))

    def _records(self, **which: Any) -> list[JobRecord]:
        def work(connection: sqlite3.Connection) -> list[JobRecord]:
            return job_statements.list_jobs(connection, self.path, **which)

        return self._open.read(work)

    def _job(self, record: JobRecord) -> Job:
        return Job(self, self._room, record)

    def delete_job(self, job_id: str) -> None:
        """Delete a job, its completed chunks and its results for good, from every file of this store.

        Its bytes are overwritten; the state file and its ``.bak`` are removed where they show this job, and so are the
        automatic backups.

        Raises:
            JobNotFound: there is none (or more than one) with this id or prefix.
        """
        self._delete(job_id, and_backup=False)

    def clear_job(self, job_id: str) -> None:
        """:meth:`delete_job`, and the ``.bak`` of the state file goes in any case."""
        self._delete(job_id, and_backup=True)

    def _delete(self, job_id: str, *, and_backup: bool) -> None:
        database = self._open

        def work(connection: sqlite3.Connection) -> str:
            found = job_statements.find_job(connection, job_id, self.path).job_id
            job_statements.delete_job(connection, found)
            return found

        # From here on it is deleted: killed in what follows, the next open ends it.
        deleted = database.write(work)
        if self._room.state_file is not None:
            self._room.state_file.forget(deleted, and_backup=and_backup)
        remove_backups(self.path)
        if isinstance(database, Database):
            database.writer.scrub_wal(job_statements.touch, f"job {deleted}")

    # -- states

    def import_state(self, path: str | os.PathLike[str]) -> Job:
        """Take the job in a state file into the store and return it.

        A job that is there already gets what it lacks; nothing of it is replaced. Secrets in the file's config are
        replaced by ``"[redacted]"``, with a warning.

        Raises:
            StateFormatError: the file is no state; it names the field.
            ChunkAlreadyCompleted: the store has another result for a chunk. Nothing was imported.
        """
        source = Path(path).absolute()
        refuse_own(source, self.path)  # reading the live store file would drop SQLite's locks on it
        state, _ = without_secrets(read_state(source))
        return self._save(state, replace=False)

    def save_state(self, state: ProcessingState, known: Known | None = None) -> Known | None:
        """Take a state into the store as the current job: what it says holds, and chunks it lacks stay complete.

        A secret in its config is refused; one in its error message is replaced by ``"[redacted]"``. ``known`` is what
        this method, or :meth:`current_state`, returned last: what did not change since is not written.

        Returns what the store holds of the job now, if it is no more than what the state says.
        """
        from checkpoint_store.model.codec.secrets import redact_text, reject_secrets  # noqa: PLC0415 - its patterns are for writers only
        from checkpoint_store.storage.statements import save_state as save_state_statements  # noqa: PLC0415 - for the other face only

        reject_secrets(thaw(state.config))
        if state.error_message is not None and redact_text(state.error_message) != state.error_message:
            state = state.replace(error_message=redact_text(state.error_message))
        held = self._open.write(
            lambda connection: save_state_statements.save_changes(connection, state, self.path, known)
        )
        self._room.job_changed(state.job_id, held)
        return held

    def current_state(self, known: Known | None = None) -> Known | None:
        """Return the state of the current job, results included, or None where there is none.

        Where ``known``, which an earlier call returned, is what the store still holds, it is returned as it is.
        """
        from checkpoint_store.storage.statements import save_state as save_state_statements  # noqa: PLC0415 - for the other face only

        database = self._open
        assert isinstance(database, Database)
        moment = database.moment()
        if known is not None and known.moment == moment is not None:
            return known

        def work(connection: sqlite3.Connection) -> Known | None:
            current = job_statements.list_jobs(connection, self.path, current=True)
            return next((save_state_statements.load(connection, record, self.path, moment) for record in current), None)

        return database.read(work)

    def complete_current(self, job: Job, chunk_index: int, result: object) -> None:
        """Record a chunk of a job that is not running; unless somebody paused it, it runs from then on."""
        from checkpoint_store.storage.statements import save_state as save_state_statements  # noqa: PLC0415 - for the other face only

        completion = job.work.completion(chunk_index, result, replace=True)
        self._open.write(lambda connection: save_state_statements.complete_and_run(connection, completion))
        self._room.job_changed(job.job_id)

    def _save(self, state: ProcessingState, *, replace: bool) -> Job:
        from checkpoint_store.storage.statements import save_state as save_state_statements  # noqa: PLC0415 - for the other face only

        record = self._open.write(
            lambda connection: save_state_statements.save(connection, state, self.path, replace=replace)
        )
        self._room.job_changed(record.job_id)
        return self._job(record)

    def _import_state_file(self, for_new_store: ProcessingState | None) -> None:
        state_file = self._room.state_file
        if state_file is None:
            return
        assert isinstance(self._database, Database)
        notice = importer.import_at_opening(
            self._database, state_file, for_new_store, lambda state: self._save(state, replace=False)
        )
        if notice is not None:
            warnings.warn(notice, StoreRecovered, stacklevel=3)

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
            **self._open.read(job_statements.facts),
            "journal_mode": journal_mode_for(self.path),
        }

    def check(self) -> list[Problem]:
        """Compare everything in the store with everything else: structure, references, counts, every result's digest.

        Returns what is wrong, or an empty list. Reads only.
        """
        return integrity.check(self._open)

    def backup(self, path: str | os.PathLike[str], *, replace: bool = False) -> Path:
        """Copy the store as it is now, while it is in use, to ``path``; verified, durable, 0600 when this returns.

        A file that is there is replaced where it is an earlier copy of this store, of which nothing is lost by that;
        any other only with ``replace``, and never one that a process has open.

        Raises:
            StoreTargetError: ``path`` is something else, or belongs to the store. Nothing was written.
        """
        target = Path(path).absolute()
        destination.refuse_own(target, self.path, self._state_copies())
        destination.refuse_to_replace(self._open, target, replace=replace)
        back_up(self._open, target)
        return target

    def close(self) -> None:
        """Close the store, and make the state file exact. Closing twice is fine.

        Loops that are under way on its jobs, in whatever thread, start nothing more; what they have in flight is waited
        for, and recorded. A Ctrl-C meanwhile ends the waiting: what was in flight then is in doubt. Called out of the
        work of such a loop, or in the event loop that does the work of an ``amap``, it cannot wait: it returns, and the
        store is closed as soon as that work is done.

        Raises:
            CheckpointStoreError: a result cannot be recorded (its notes say of which chunks), or the state file not be
                written. The store is closed all the same.
        """
        if self._database is not None and not self._database.closed:
            closing.close(self._room)

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except CheckpointStoreError as late:
            if error is None:
                raise
            error.add_note(f"Besides, the store could not be closed as it should be: {closing.told(late)}")

    def __del__(self) -> None:
        if self._database is not None and not self._database.closed and not self._database.read_only:
            warnings.warn(
                f"{self.path} was never closed: call close(), or use `with CheckpointStore(...)`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
            closing.close_in_finalizer(self._room)

    def __repr__(self) -> str:
        return f"<CheckpointStore {str(self.path)!r}>"
