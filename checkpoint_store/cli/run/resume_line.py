"""The line that goes on with a job, as ``show`` and ``redo`` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.cli.options import DEFAULT_STORE
from checkpoint_store.cli.paths import shell_words
from checkpoint_store.cli.run.chunk_ranges import ChunkRangesType
from checkpoint_store.cli.run.memory import is_memory
from checkpoint_store.cli.run.task_records import MEMORY

if TYPE_CHECKING:
    from checkpoint_store import Job


def resume_line(job: Job, store_path: str) -> str | None:
    """Return the command that goes on with a job; None where the job does not remember how it is run.

    Where the last run was given a part of the chunks (``--only``), and chunks of the part are left, the command keeps
    to the part: another machine may be paying for the others.
    """
    memory = job.metadata.get(MEMORY)
    if not is_memory(memory):
        return None
    words = ["checkpoint-store", "resume", job.job_id[:8]]
    if "only" in memory:
        part = ChunkRangesType().convert(memory["only"], None, None)
        if part.count_left(job):
            words += ["--only", str(part)]
    return shell_words(words if store_path == DEFAULT_STORE else [*words, "--store", store_path])
