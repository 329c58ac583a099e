"""What comes of a call that no loop waits for any more is recorded all the same, by any open store object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.model.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.records import Completion


class LateRecorder:
    """Records late results and late failures of one job. Safe to share between threads.

    The store object of the loop may be closed by then. Another one that this process has open for the same file takes
    its place. Without one, and where the store is busy, the next open of the store records what came.
    """

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context, self._job_id = context, job_id

    def result(self, completion: Completion, submit: Callable[[], None]) -> str:
        """Record a late result. Durable on return, in the store or in a file; returns what became of it.

        ``submit`` records it through the store object of the loop.
        """
        context = self._context.open_now()
        record = submit if context is self._context else lambda: context.record([completion])
        try:
            try:
                if context.storage.handles.look_at(self._job_id, completion.chunk_index)[0]:  # or the same result
                    raise ChunkAlreadyCompleted(self._job_id, completion.chunk_index)
                record()
            except ChunkAlreadyCompleted:
                is_in_vain = context.storage.budgets.keep_result(completion)
                standing = context.reading.results.digest(self._job_id, completion.chunk_index)
                if is_in_vain or standing != completion.digest:
                    return "was paid for in vain: another result of the chunk stands"
            except JobNotFound:
                if context.storage.jobs.was_deleted(self._job_id):
                    return "is gone with its job, which was deleted"
                raise  # another store is at the path now
        except BaseException as error:  # an interrupt, too: recording the same result twice changes nothing
            return f"is not recorded yet: {self._keep(error, completion)}"
        return "is recorded"

    def failure(self, failure: Completion) -> str:
        """Record what a late failure cost; see :attr:`UnrecordedResult.is_failure`. Durable when this returns."""
        context = self._context.open_now()
        try:
            try:
                context.storage.budgets.keep_failure(failure)
            except JobNotFound:
                if context.storage.jobs.was_deleted(self._job_id):
                    return ", and its job was deleted"
                raise  # another store is at the path now
        except BaseException as error:  # an interrupt, too
            return f"; {self._keep(error, failure, is_failure=True)}"
        return ""

    def _keep(self, error: BaseException, what: Completion, *, is_failure: bool = False) -> str:
        """Keep what an error kept from being recorded; return a sentence about both, or raise an interrupt again."""
        path, is_elsewhere = self._context.reading.path, isinstance(error, JobNotFound)
        why = f"another store, without its job, is at {path} now" if is_elsewhere else describe(error).rstrip(".")
        kept = f"{why}. {self._context.unrecorded.keep([what], are_failures=is_failure)}"
        if not isinstance(error, Exception):
            error.add_note(kept)
            raise error
        return kept
