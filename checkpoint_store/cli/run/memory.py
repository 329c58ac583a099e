"""The command line of a job's last run, which the job remembers so that ``resume`` can go on with it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeGuard

from checkpoint_store.cli.paths import current_folder, printable
from checkpoint_store.cli.run.task_records import MEMORY
from checkpoint_store.cli.run.work import read_otherwise
from checkpoint_store.errors import SecretInConfig

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.task_records import Task


def open_job(store: CheckpointStore, task: Task, only: ChunkRanges | None) -> Job:
    """Open the job of an input, and have it remember the command line beside the user's metadata.

    A new job remembers it from its first transaction on. A line that holds a secret is not remembered. ``only`` is kept
    apart from the line: ``resume`` goes on with all that is left.

    Raises:
        PlanChanged: as ``open_job``; also where a job without results would go on, and :func:`read_otherwise` objects.
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


def is_memory(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether ``run`` wrote the metadata of this name, and not the user."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("folder"), str)
        and isinstance(value.get("only", ""), str)
        and isinstance(value.get("words"), list)
        and all(isinstance(word, str) for word in value["words"])
    )
