"""The beginning of one loop: its executor is made, its runner registered, and its job set ``running``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import StoreBusy
from checkpoint_store.execution.lifecycle import ending_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState


def begin(state: LoopState, place: Workplace, fn: Callable[[Any], Any], known_pause: int | None) -> None:
    """Make a loop ready to start chunks.

    Where that is impossible (an executor that cannot be made, a store that is busy), the job ends as by any error that
    ends a loop: a job without a runner does not stay ``running``. A store that is busy before anything is written
    leaves the job as it is.

    Args:
        state: the loop, which gets its queue.
        place: where the work is done.
        fn: does the work.
        known_pause: the last pause that was known when the loop was asked for.
    """
    try:
        place.open(fn)
        try:
            _begin(state, place, known_pause)
        except BaseException:
            place.close()
            raise
    except BaseException as error:
        if isinstance(error, StoreBusy) and not state.claims.runner.is_registered:
            raise  # nothing was written, and the status of the job would wait for the same lock
        with state.log_instead_of_raising("its end could not be recorded"):
            state.execution.lifecycle.leave(*ending_by(error))
        raise


def _begin(state: LoopState, place: Workplace, known_pause: int | None) -> None:
    execution, options = state.execution, state.options
    # First: another runner that ends the job sees this runner, or has ended the job before.
    state.claims.register()
    execution.lifecycle.mark_running(known_pause)
    execution.budget.note_place(options.cost)
    if options.on_error == "record":
        state.failed_before = frozenset(record.chunk_index for record in execution.recorded.failed_chunks())
    places = max(1, place.capacity)
    state.queue = execution.queue(
        known_pause=known_pause, max_attempts=options.attempts_max, shard=options.shard, places=places
    )
