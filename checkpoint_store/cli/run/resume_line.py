"""The line that goes on with a job that remembers its command, as ``show``, ``redo`` and ``resume`` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.cli.run.chunk_ranges import ChunkRanges, ChunkRangesType
from checkpoint_store.cli.run.memory import is_memory
from checkpoint_store.cli.run.plan_options import HIGHER_AMOUNT, OPEN_AMOUNT, OPEN_FIELD
from checkpoint_store.cli.run.task_records import MEMORY
from checkpoint_store.cli.typed_line import typed_line
from checkpoint_store.errors import BudgetReached, CostUnknown

if TYPE_CHECKING:
    from checkpoint_store import Job


def resume_line(job: Job, store_path: str, *, only: ChunkRanges | None = None, failed: bool = False) -> str | None:
    """Return the command that goes on with a job; None where the job does not remember how it is run.

    Where the last run was given a part of the chunks (``--only``), and the part has chunks to do, the command keeps to
    the part: another machine may be paying for the others. A failed chunk has used up its tries: it is not to do.

    Args:
        job: the job.
        store_path: the store, as it was named.
        only: the part of a run that has not begun; None for that of the last run.
        failed: whether it also frees the chunks that used up their tries.
    """
    memory = job.metadata.get(MEMORY)
    if not is_memory(memory):
        return None
    words = ["resume", job.job_id[:8], *(["--failed"] if failed else [])]
    part = ChunkRangesType().convert(memory["only"], None, None) if only is None and "only" in memory else only
    if part is not None and part.count_left(job) > sum(record.chunk_index in part for record in job.failed_chunks()):
        words += ["--only", str(part)]
    return typed_line(words, store_path)


def resume_lines(job: Job, store_path: str, *, failed_chunks: int, chunks_left: int) -> list[str]:
    """Return the lines with which ``show`` tells how to go on: with the chunks left, and with the failed ones, too."""
    line = resume_line(job, store_path)
    if line is None or not chunks_left:
        return []
    ended, words = job.error_message or "", job.metadata[MEMORY]["words"]
    if "--max-cost" in words and ended.startswith((BudgetReached.__name__, CostUnknown.__name__)):
        if ended.startswith(BudgetReached.__name__):
            return [f"go on with {HIGHER_AMOUNT}: {line} --max-cost {OPEN_AMOUNT}"]
        return [f"go on with the {OPEN_FIELD} that holds the cost: {line} --cost {OPEN_FIELD}"]
    if not failed_chunks:
        return [f"go on with: {line}"]
    again = resume_line(job, store_path, failed=True)
    if failed_chunks == chunks_left:
        return [f"try again with: {again}"]  # to go on would pass over all that is left
    return [f"go on with: {line}", f"with the failed chunks, too: {again}"]
