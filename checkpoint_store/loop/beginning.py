"""How one loop begins: it becomes a runner of its job, and gets the queue of the chunks that it may claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store.loop.loop_state import LoopState


def begin(state: LoopState, known_pause: int | None, *, places: int) -> None:
    """Let a loop that can work on ``places`` chunks at the same time begin. After an error, no runner is left of it.

    Raises:
        CheckpointStoreError: the job is gone, or the store cannot record that the loop begins.
    """
    execution, options = state.execution, state.options
    # First: another runner that ends the job sees this runner, or has ended the job before.
    state.claims.register()
    try:
        execution.lifecycle.mark_running(known_pause)
        if options.on_error == "record":
            state.failed_before = frozenset(record.chunk_index for record in execution.recorded.failed_chunks())
        state.queue = execution.queue(
            known_pause=known_pause, max_attempts=options.attempts_max, shard=options.shard, places=places
        )
    except BaseException:
        state.claims.end_if_idle(wait=True)
        raise
