"""The jobs of a store, seen without opening one: a list of them, and what opening a job would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from checkpoint_store.execution import opening
from checkpoint_store.execution.store.open_store import OpenStore
from checkpoint_store.model.amounts import checked_field

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from checkpoint_store.model.plan import Fingerprint
    from checkpoint_store.model.records import JobSummary, RunPlan


class StoreOutlook(OpenStore):
    """The part of :class:`CheckpointStore` that looks at jobs and opens none. Safe to share between threads."""

    def summaries(self, status: str | None = None, file_name: str | os.PathLike[str] | None = None) -> list[JobSummary]:
        """Return the summary of each job, in the order of :meth:`jobs`, all of them read at one moment."""
        return self._open.reading.jobs.summaries(**opening.job_filter(status, file_name))

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
