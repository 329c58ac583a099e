"""How the job of an input is opened: with the results of other names of its file, and with its command line."""

from __future__ import annotations

import dataclasses
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.paths import current_folder, printable
from checkpoint_store.cli.run.memory import MEMORY
from checkpoint_store.errors import Difference, PlanChanged, SecretInConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store import CheckpointStore, Job, RunPlan
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.task_records import Task

_FORM: Final = ("result_field", "raw")
"""The keys of a config that say how an answer is read, and nothing about the work."""


def with_results_of_links(
    store: CheckpointStore, store_path: Path, task: Task, plan: RunPlan, cost: str = "cost"
) -> tuple[Task, RunPlan, str | None]:
    """Let a file that the store knows by another name (a link leads to it) take over the results of that name.

    Return the task, its plan and the other name; the name is None where nothing changed. The store of a trial is
    elsewhere than ``store_path``.
    """
    settings = task.settings
    if not plan.kept_elsewhere or plan.action != "new" or settings["fresh"] or settings["on_change"] != "refuse":
        return task, plan, None
    folder = Path(os.path.realpath(store_path.parent))
    for name in dict.fromkeys(job.file_name for job in store.summaries()):
        with suppress(OSError, ValueError):  # the file of that job is gone, or its name is none
            if name != task.file_name and (folder / name).samefile(task.path):
                task = dataclasses.replace(task, settings={**settings, "on_change": "reuse"})
                return task, store.plan(task.file_name, chunks=task.chunks, cost=cost, **task.settings), name
    return task, plan, None


def open_job(store: CheckpointStore, task: Task, only: ChunkRanges | None) -> Job:
    """Open the job of an input, and have it remember the command line beside the user's metadata.

    A new job remembers it from its first transaction on. A line that holds a secret is not remembered. ``only`` is kept
    apart from the line: ``resume`` goes on with all that is left.
    """
    if changed := read_otherwise(store, task):
        raise changed
    arguments = {"chunks": task.chunks, **task.settings}
    memory = _memory(task, only)
    if memory is not None and _begins_anew(store, task):
        try:
            return store.open_job(task.file_name, metadata={MEMORY: memory}, **arguments)
        except SecretInConfig as secret:
            if not secret.path.startswith("metadata"):
                raise
            memory = None
    job = store.open_job(task.file_name, **arguments)
    _remember(job, memory)
    return job


def _begins_anew(store: CheckpointStore, task: Task) -> bool:
    """Return whether a new job begins. A plan is made only if that is possible, because a plan adds up costs."""
    earlier = store.summaries(file_name=task.file_name)
    if task.settings["fresh"] or not earlier:
        return True
    if task.settings["on_change"] == "refuse" and any(job.progress.completed_chunks for job in earlier):
        return False
    plan = store.plan(task.file_name, chunks=task.chunks, **task.settings)
    return plan.action in ("new", "reuse", "restart")


def _memory(task: Task, only: ChunkRanges | None) -> dict[str, Any] | None:
    words = [*task.words, folder := str(current_folder())]
    if not task.words or any(printable(word) != word for word in words):
        return None
    part = {} if only is None else {"only": str(only)}
    return {"words": list(task.words), "folder": folder} | part | task.later.as_memory()


def _remember(job: Job, memory: dict[str, Any] | None) -> None:
    if job.metadata.get(MEMORY) == memory:
        return
    metadata = {name: value for name, value in job.metadata.items() if name != MEMORY}
    if memory is not None:
        with suppress(SecretInConfig):
            job.set_metadata(metadata | {MEMORY: memory})
            return
    job.set_metadata(metadata)


def read_otherwise(store: CheckpointStore, task: Task) -> PlanChanged | None:
    """Return why a run is refused although its job goes on: that job has no result, and another job has them.

    The other job differs only in where the text of an answer stands, so that going on would pay for each answer again.
    It was opened later: a job that was opened last goes on, because somebody asked for it beside those answers.
    """
    settings, config = task.settings, task.settings["config"]
    if settings["fresh"] or settings["on_change"] != "refuse":
        return None
    jobs = store.summaries(file_name=task.file_name)  # the job opened last is first
    with_results = (job for job in jobs if job.progress.completed_chunks)
    other = next((job for job in with_results if differ_in_form(config, job.config)), None)
    if other is None:
        return None
    plan = store.plan(task.file_name, chunks=task.chunks, **settings)
    order = [job.job_id for job in jobs]
    if plan.action != "resume" or plan.kept or order.index(str(plan.job_id)) < order.index(other.job_id):
        return None
    pairs = {f"config.{name}": (other.config.get(name), config.get(name)) for name in _FORM}
    differences = [Difference(name, *map(_setting_text, pair)) for name, pair in pairs.items() if pair[0] != pair[1]]
    names = tuple(difference.field for difference in differences)
    reuse = {**settings, "on_change": "reuse", "reuse_ignoring": (*settings["reuse_ignoring"], *names)}
    kept = store.plan(task.file_name, chunks=task.chunks, **reuse).kept
    return PlanChanged(task.file_name, other.job_id, differences, 0, choices=[(names, kept)]) if kept else None


def _setting_text(setting: object) -> str:
    return "(absent)" if setting is None else repr(setting)


def differ_in_form(config: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configs differ, and in nothing but where the text of an answer stands."""
    works = [{name: value for name, value in each.items() if name not in _FORM} for each in (config, other)]
    return config != other and works[0] == works[1]
