"""CheckpointStore: one store file, its jobs, and the state file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from checkpoint_store.execution import opening
from checkpoint_store.execution.store.maintenance import StoreMaintenance
from checkpoint_store.job import Job
from checkpoint_store.loop.option_names import checks_option_names
from checkpoint_store.model.money import checked_field
from checkpoint_store.state_file.reader import read_state, refuse_opened, without_secrets
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.log import WarningsLast
from checkpoint_store.system.paths import absolute

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Executor

    from checkpoint_store.loop.service.retry_policy import Errors, Wait
    from checkpoint_store.model.loop_records import LoopEvent
    from checkpoint_store.model.money import Cost
    from checkpoint_store.model.plan import Fingerprint
    from checkpoint_store.model.records import JobSummary, RunPlan
    from checkpoint_store.storage.records.records import JobRecord


class CheckpointStore(StoreMaintenance):
    """Jobs, completed chunks and results in one local SQLite file. Safe to share between threads.

    Any number of threads and processes may have the same file open. Close it, or use it as a context manager; it is
    open for as long as a job, a chunk or a loop of it is in use.

    Args:
        target: the path of the store file (created with mode 0600 in an existing folder), or ``sqlite:///PATH``.
        state_file: the file that shows people the state of the current job; by default beside the store file, with the
            suffix ``.json``; None for no file.
        durability: ``"power-loss"``: what was acknowledged survives a power cut. ``"process"``: it survives any end
            of the process, and is faster.
        lock_timeout_seconds: how long to wait for another process before :class:`StoreBusy`.
        migrate: upgrade an older file on opening; otherwise :class:`SchemaTooOld`.
        read_only: create, migrate and touch no file at all.
        on_backup: a function that copies each automatic backup away. It is called with the path of a verified file,
            which stays until two newer backups exist, in the thread that ended a job or completed a chunk, outside
            of transactions and locks. The loop of that thread waits meanwhile. An error of the function is logged.

    Raises:
        StoreTargetError: the target cannot be a store. Nothing was created or changed.
        SchemaTooNew: a newer version of this library wrote the file. Nothing was touched.
        SchemaTooOld: the file has to be upgraded, and ``migrate`` or ``read_only`` forbids that. Nothing was touched.
        MigrationFailed: the file could not be upgraded, and is as it was.
        StoreInUse: the file has to be upgraded or recovered, and another process has it open. Nothing was changed.
        StoreDamaged: the file is damaged, and no copy has all that would be lost. Nothing was deleted.
    """

    def __repr__(self) -> str:
        return f"<CheckpointStore {str(self.path)!r}>"

    # -- jobs

    @checks_option_names
    def open_job(
        self,
        file_name: str | os.PathLike[str],
        *,
        chunks: Iterable[Any] | None = None,
        total_chunks: int | None = None,
        video_title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        config: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        fingerprint: Fingerprint | None = None,
        sequential: bool = False,
        on_change: Literal["refuse", "reuse", "extend", "restart"] = "refuse",
        reuse_ignoring: Iterable[str] = (),
        fresh: bool = False,
        exclusive: bool = False,
    ) -> Job:
        """Return the job for this file and plan: the existing job, or a new job. Atomic between processes.

        The newest job of this very plan goes on, however many other jobs of the file were opened since. It is then the
        current job, and supersedes the other jobs of the file. If no job of the file has a completed chunk, a new job
        begins. Otherwise the plan is compared with the plan of the newest job that has completed chunks.

        Args:
            file_name: the name of the input, a text or a path, by which its jobs are found. Names are compared in NFC.
            chunks: the chunks themselves: texts, bytes, JSON data, dataclasses or pydantic models. The fields ``index``
                and ``chunk_index`` of a dataclass or a model do not count, and all others do. The keys of a mapping
                (texts or whole numbers) are the names of its chunks: see :meth:`Job.result_of`; they are no part of the
                plan.
            total_chunks: the number of chunks, in place of ``chunks``, where the chunks are not at hand.
            video_title: for people to read; no part of the plan.
            model: part of the plan, like ``provider`` and ``config``.
            provider: see ``model``.
            config: JSON data; a secret in it is refused. 0 and 0.0 are the same, and so are None and an absent key.
            metadata: JSON data about the job, no part of the plan. It replaces the earlier metadata; None leaves them.
            fingerprint: a function that returns what identifies a chunk: for other kinds of chunks, or to leave out a
                field.
            sequential: each chunk's work needs the results before it, so it begins after them; part of the plan.
            on_change: what to do if no job was made for this plan, and a job for another plan has completed chunks:
                ``"refuse"`` raises; ``"reuse"`` starts a new job with every result in the store (of any job, the newest
                first) for the same chunk under the same model, provider and config; ``"extend"`` lets a job of the same
                settings grow, if ``chunks`` begins with its chunks; ``"restart"`` starts from nothing. No job is
                deleted. A job that goes on with ``"reuse"`` takes the results that other jobs got since it was opened.
                By default a job whose plan is back takes those of a job of its file that was opened with ``"reuse"``.
            reuse_ignoring: settings in which a reused result may differ: ``"model"``, ``"provider"``, ``"config.KEY"``;
                ``"chunks"``: take results of a job of the file whose chunks are not known (it was opened by their
                number, or comes from a state file) by their places, if it has the same number of chunks.
            fresh: start a new job from nothing, whatever the store has.
            exclusive: have the job for this runner alone until it is completed, or its ``with`` or the store ends.

        Raises:
            JobBusy: this runner asks to be exclusive, and another runner is at work on the job.
            PlanChanged: the plan differs and ``on_change`` is ``"refuse"``, or ``"extend"`` and no job can grow so.
            SecretInConfig: the config or the metadata holds what looks like a secret.
            InvalidArgumentError: a chunk cannot be identified (it says where), or ``chunks`` is a used-up iterator.
        """
        return self._opened(opening.OpenArguments.of(locals()))

    def _opened(self, arguments: opening.OpenArguments) -> Job:
        with WarningsLast():
            record = opening.open_job(self._open, arguments)
        job = Job(self, self._open, record, arguments)
        job._execution.lifecycle.mark_pauses_known()  # noqa: SLF001 - whoever opens a job goes on with it knowingly
        return job

    @checks_option_names
    def map(
        self,
        fn: Callable[[Any], Any],
        chunks: Iterable[Any],
        *,
        file_name: str | os.PathLike[str],
        video_title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        config: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        fingerprint: Fingerprint | None = None,
        sequential: bool = False,
        on_change: Literal["refuse", "reuse", "extend", "restart"] = "refuse",
        reuse_ignoring: Iterable[str] = (),
        fresh: bool = False,
        exclusive: bool = False,
        executor: Executor | Callable[[], Executor] | None = None,
        workers: int | None = None,
        ordered: bool = False,
        on_error: Literal["stop", "record"] = "stop",
        max_attempts: int = 3,
        retry_on: Errors | None = None,
        stop_on: Errors | None = None,
        wait: Wait | None = None,
        timeout_seconds: float | None = None,
        outage_seconds: float = 600.0,
        max_cost: float | None = None,
        cost: Cost = "cost",
        max_calls_per_minute: float | None = None,
        max_tokens_per_minute: float | None = None,
        tokens: Callable[[Any], float] | None = None,
        deadline_seconds: float | None = None,
        only: Collection[int] | None = None,
        progress: bool = False,
        on_pause: Literal["raise", "return"] = "raise",
        stop_when: Callable[[], bool] | None = None,
        on_event: Callable[[LoopEvent], object] | None = None,
    ) -> list[Any]:
        """Open the job, do what is left of it, and return all results in order, those of earlier runs included.

        See :meth:`open_job` for the plan and :meth:`Job.map` for the options. With ``on_error="record"`` a failed
        chunk's place is taken by None; :meth:`Job.failed_chunks` says why. With ``only``, None also stands for each
        chunk that is not complete.

        Raises:
            JobPaused: the job was paused before the end, whatever ``on_pause`` says.
            ChunkFailed: chunks failed (with ``on_error="stop"``, unless an error of the work itself is raised).
            PlanChanged, SecretInConfig: see :meth:`open_job`.
            BudgetReached, CostUnknown, DeadlineReached, ServiceUnavailable: see :meth:`Job.map`.
        """
        given = locals()
        with importing():
            from checkpoint_store.loop.options import (
                Options,  # only for callers of map
                check_shard,  # only for callers of map
            )

        options = Options.of(given)  # a wrong option is refused before there is a job
        options.check_work(fn)
        arguments = opening.OpenArguments.of(given)
        check_shard(options.shard, arguments.request.plan.total_chunks)
        job = self._opened(arguments)
        for _ in job.map(fn, **(vars(options) | {"on_pause": "raise"})):
            pass
        results = dict(job.items())
        return [results.get(index) for index in range(arguments.request.plan.total_chunks)]

    def job(self, job_id_or_file_name: str | os.PathLike[str]) -> Job:
        """Return the job with this id, the newest job of a file with this name, or the job whose id begins with it.

        Raises:
            JobNotFound: no job has this id or file name, or more than one id begins with this text.
        """
        return self._job(self._open.reading.jobs.find_by_id_or_file(opening.name_of(job_id_or_file_name)))

    def jobs(self, status: str | None = None, file_name: str | os.PathLike[str] | None = None) -> list[Job]:
        """Return the jobs (with this status, of this file), the one opened last first."""
        records = self._open.reading.jobs.matching(**opening.job_filter(status, file_name))
        return [self._job(record) for record in records]

    def incomplete_jobs(self) -> list[Job]:
        """Return the jobs that have chunks left, whatever their status, the one opened last first.

        A job that another job of its file superseded is not among them. All of them are read at once:
        :meth:`Job.progress` reads nothing as long as nothing was recorded since.
        """
        records, moment = self._open.reading.jobs.incomplete()
        return [Job(self, self._open, record, as_of=moment) for record in records]

    def latest_job(self) -> Job | None:
        """Return the job opened last, or None."""
        return next(map(self._job, self._open.reading.jobs.matching(limit=1)), None)

    def current_job(self) -> Job | None:
        """Return the job that a :class:`StateManager` loads; None if the store has no job, or the job was cleared.

        It is the job that :meth:`open_job` or :meth:`StateManager.save` took up last. The state file shows it until
        another job is changed.
        """
        return next(map(self._job, self._open.reading.jobs.matching(current=True)), None)

    def _job(self, record: JobRecord) -> Job:
        return Job(self, self._open, record)

    # -- jobs, seen without opening one

    def summaries(self, status: str | None = None, file_name: str | os.PathLike[str] | None = None) -> list[JobSummary]:
        """Return the summary of each job, in the order of :meth:`jobs`, all of them read at one moment."""
        return self._open.reading.jobs.summaries(**opening.job_filter(status, file_name))

    @checks_option_names
    def plan(
        self,
        file_name: str | os.PathLike[str],
        *,
        chunks: Iterable[Any] | None = None,
        total_chunks: int | None = None,
        video_title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        config: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        fingerprint: Fingerprint | None = None,
        sequential: bool = False,
        on_change: Literal["refuse", "reuse", "extend", "restart"] = "refuse",
        reuse_ignoring: Iterable[str] = (),
        fresh: bool = False,
        cost: str = "cost",
    ) -> RunPlan:
        """Return what :meth:`open_job` with these arguments, and working the job off, would do. Nothing is written.

        This call raises what ``open_job`` raises, except :class:`PlanChanged`: the action of the plan is ``"refuse"``
        then. ``cost`` is the field of the results, or the dotted path, that has the cost.
        """
        arguments = opening.OpenArguments.of(locals())
        return self._open.reading.plan(arguments.request, checked_field(cost))

    # -- states

    def import_state(self, path: str | os.PathLike[str]) -> Job:
        """Take the job in a state file into the store and return it.

        If the store has the job, the job gets the results that it lacks; none is replaced. Secrets in the config are
        redacted.

        Raises:
            StateFormatError: the file is no state; the error names the field.
            ChunkAlreadyCompleted: the store has another result for a chunk. Nothing was imported.
        """
        source = absolute(path, "for an import")
        refuse_opened(source, self.path)
        with WarningsLast():
            state, _ = without_secrets(read_state(source))
            record = self._open.storage.states.take_in(state)
            self._open.job_changed(record.job_id)
        return self._job(record)
