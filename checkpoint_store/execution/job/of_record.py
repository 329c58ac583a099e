"""The part of a job object that needs nothing but the job's row in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.execution.execution import JobExecution

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.execution.opening import OpenArguments
    from checkpoint_store.storage.records.data_version import DataVersion
    from checkpoint_store.storage.records.records import JobRecord


class _FirstAsked:
    """A ``cached_property`` that two threads may ask for at the same time: both get the same object."""

    def __init__(self, make: Callable[[JobOfRecord], JobExecution]) -> None:
        self._make = make

    def __get__(self, job: JobOfRecord, owner: type[JobOfRecord] | None = None) -> JobExecution:
        execution: JobExecution = job.__dict__.setdefault("_execution", self._make(job))
        return execution


class JobOfRecord:
    """The part of :class:`Job` that is made from the job's row alone. Safe to share between threads."""

    def __init__(
        self,
        store: object,
        context: StoreContext,
        record: JobRecord,
        arguments: OpenArguments | None = None,
        *,
        as_of: DataVersion | None = None,
    ) -> None:
        self._store: Final = store
        """The store, which stays open as long as this object refers to it."""
        self._context: Final = context
        self._record: Final = record
        self._as_of: Final = as_of
        """The moment at which a list of jobs read the record; None: the record may have changed since."""
        if arguments is not None:
            self.__dict__["_execution"] = self._new_execution(arguments)
        self.job_id: Final = record.job_id
        self.file_name: Final = record.file_name
        self.video_title: Final = record.video_title
        self.model: Final = record.model
        self.provider: Final = record.provider
        self.config: Final[dict[str, Any]] = record.config
        self.sequential: Final = record.sequential
        """Whether each chunk's work depends on the results before it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise AttributeError(f"the {name} of a job cannot be set")
        super().__setattr__(name, value)

    @_FirstAsked
    def _execution(self) -> JobExecution:
        """The job at work, made when it is first asked for: a list of jobs would make six objects for each job."""
        return self._new_execution()

    def _new_execution(self, arguments: OpenArguments | None = None) -> JobExecution:
        record = self._record
        given = None if arguments is None else arguments.given(record.total_chunks)
        execution = JobExecution(
            self._context,
            record.job_id,
            record.total_chunks,
            given,
            request=None if arguments is None else replace(arguments.request, keys=None),
            store=self._store,
            fingerprint_by=None if arguments is None else arguments.fingerprint,
            fingerprint_rule=record.fingerprint_rule,
            sequential=record.sequential,
        )
        grown_to = self._context.grown.get(record.job_id)
        if grown_to is not None and given is None:
            execution.grow(grown_to, None)
        return execution
