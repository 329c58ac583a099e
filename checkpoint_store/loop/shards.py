"""A loop's part of its job: all chunks, or the shard that its caller named with ``only``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import InvalidArgumentError

if TYPE_CHECKING:
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.shard import Shard


def check_shard(shard: Shard | None, total_chunks: int, *, is_sequential: bool = False) -> None:
    """Refuse a shard that is no part of a job, before anything is called.

    Raises:
        InvalidArgumentError: the job does not have all of its chunks; or the job is sequential, and the shard leaves
            out chunks on whose results the others depend.
    """
    if shard is None:
        return
    if shard.stop > total_chunks:
        has = f"the chunks are 0 to {total_chunks - 1}" if total_chunks else "there are no chunks"
        raise InvalidArgumentError("only", ..., f"({shard}) has chunk {shard.stop - 1}, but {has}")
    if is_sequential and not shard.is_beginning:
        raise InvalidArgumentError(
            "only",
            ...,
            f"({shard}) leaves out earlier chunks, on which the later ones of a sequential job depend; give the "
            "beginning, such as range(0, 500)",
        )


def check_shard_of(execution: JobExecution, shard: Shard | None) -> None:
    """Refuse a shard that is no part of an open job; see :func:`check_shard`."""
    if shard is not None:
        check_shard(shard, execution.recorded.total_chunks, is_sequential=execution.recorded.record().sequential)


def remaining_chunks(execution: JobExecution, shard: Shard | None) -> int:
    """Return how many chunks of a loop's part are left."""
    if shard is None:
        return execution.recorded.progress().remaining_chunks
    return len(shard) - shard.count_in(execution.recorded.completed_ranges())


def leaves_another(execution: JobExecution, shard: Shard | None) -> bool:
    """Whether a loop that is ending leaves another chunk to try than the one that it is about to fail.

    In a sequential job no other chunk can be tried.
    """
    if execution.is_sequential:
        return False
    failed = sum(shard is None or record.chunk_index in shard for record in execution.recorded.failed_chunks())
    return remaining_chunks(execution, shard) - failed > 1


def chunks_left_to_try(execution: JobExecution, shard: Shard | None) -> int:
    """Return how many chunks of a loop's part are left; 0 if all of them are failed, so that no loop tries them.

    In a sequential job no chunk is tried that comes after a failed one.
    """
    left = remaining_chunks(execution, shard)
    failed = {record.chunk_index for record in execution.recorded.failed_chunks()} if left else set()
    if not failed:
        return left
    if execution.is_sequential:
        ranges = execution.recorded.remaining_ranges()  # none, if others have completed the rest meanwhile
        return left if ranges and ranges[0].start not in failed else 0
    return left if left > sum(shard is None or index in shard for index in failed) else 0
