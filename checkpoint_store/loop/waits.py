"""How long a loop waits after a failed attempt, and what an outage learns of the wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import first_of
from checkpoint_store.loop.retry_after import retry_after
from checkpoint_store.loop.retry_policy import backoff, pause_before_retry
from checkpoint_store.loop.service_errors import Trouble
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import InFlight


def wait_after(
    state: LoopState, outage: Outage, attempt: InFlight, error: BaseException, trouble: Trouble, *, is_last: bool
) -> float | None:
    """Return the seconds to wait before the next attempt at a chunk; tell the outage how long to wait.

    None where the caller's ``wait`` failed, which ends the loop.
    """
    wait, attempt_count = state.options.wait, attempt.chunk.attempts_in_loop
    in_a_row = outage.waits_in_a_row(attempt.stretch) if trouble is not Trouble.NONE else 0
    if is_last and callable(wait):  # it says how long to wait before a retry, and there is none
        wait = None
    try:
        seconds = pause_before_retry(wait, max(attempt_count, in_a_row), error)
    except Exception as mistake:  # whatever the caller's function raises
        mistake.__cause__ = error
        state.end_with(mistake)
        return None
    if trouble is not Trouble.NONE:
        is_asked = retry_after(error) is not None
        # A chunk that fails among good ones may wait longer each time; the others do not wait with it.
        wait_seconds = seconds if is_asked else min(seconds, backoff(in_a_row))
        was_long = outage.is_long
        index = attempt.chunk.index
        outage.failed(attempt.stretch, wait_seconds, error, is_asked=is_asked, chunk_index=index)
        if outage.is_long and not was_long:
            log.warning(
                "job %s: the service answers no call, so the whole loop waits, and no chunk is to blame: %s. It failed "
                "first %.0f s ago (tried: chunk %s); after %.0f s without a success the job is paused",
                *(state.job_id, describe(error), outage.seconds, first_of(outage.tried), outage.seconds_max),
            )
    return seconds
