"""The beginning and the ending of one loop: its executor, its runner, and the status that it gives the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import ChunkFailed, ChunksPassedOver, JobPaused, StoreBusy, counted
from checkpoint_store.execution.lifecycle import ending_by
from checkpoint_store.loop.options import remaining_chunks
from checkpoint_store.model.attempt import NO_RESULT_TEXT
from checkpoint_store.model.error_text import describe, note_answer
from checkpoint_store.model.records import JobStatus
from checkpoint_store.system.log import log, log_and_warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.schedule import Schedule
    from checkpoint_store.model.records import ChunkRecord


def begin(state: LoopState, place: Workplace, fn: Callable[[Any], Any], known_pause: int | None) -> None:
    """Make a loop ready to start chunks.

    Where that is impossible (an executor that cannot be made, a store that is busy), the job ends as by any error that
    ends a loop: a job without a runner does not stay ``running``. A store that is busy before anything is written
    leaves the job as it is. ``known_pause`` is the last pause that was known when the loop was asked for.
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
    execution.lifecycle.note_cost_place(options.cost)
    if options.on_error == "record":
        state.failed_before = frozenset(record.chunk_index for record in execution.recorded.failed_chunks())
    places = max(1, place.capacity)
    state.queue = execution.queue(
        known_pause=known_pause, max_attempts=options.attempts_max, shard=options.shard, places=places
    )


def abandon_unrecorded(state: LoopState, schedule: Schedule, place: Workplace) -> None:
    """Release everything in flight, and what has ended and is not known to be recorded: no further try follows.

    The results that have ended are recorded as late results. Recording the same result twice changes nothing.
    """
    schedule.in_flight.update(schedule.unsettled)
    schedule.unsettled.clear()
    abandon_in_flight(state, schedule, place)


def abandon_in_flight(state: LoopState, schedule: Schedule, place: Workplace) -> None:
    """Release everything in flight without waiting. A chunk whose work had begun is in doubt: it may be paid for.

    What such work comes to is recorded as a late result, as long as the process lives.
    """
    in_flight = schedule.in_flight
    chunks = [attempt.chunk for attempt in in_flight.values()]
    for future, attempt in in_flight.items():
        if place.withdraw(future):
            attempt.chunk.begun = False
        else:
            schedule.given_up[future] = attempt.chunk
    in_doubt = [chunk.index for chunk in chunks if chunk.begun]
    if in_doubt:
        indices = ", ".join(map(str, in_doubt))
        log.warning("job %s, chunk %s: abandoned in flight, so in doubt", state.job_id, indices)
    state.claims.release(chunks)
    in_flight.clear()


def conclude(state: LoopState) -> None:
    """Give the job the status that follows from the loop; then give a pending signal its usual effect."""
    try:
        _end_job(state)
    except Exception as error:
        state.interrupts.deliver(None if type(error) is JobPaused else error)
        raise
    except BaseException as error:
        if error is not state.error:  # an interrupt: the status may not be recorded yet
            leave_early(state, error)
        raise
    state.interrupts.deliver()


def leave_early(state: LoopState, ended_by: BaseException) -> None:
    """Pause the job of a loop that an exception broke off: no chunk is to blame. An error of the store is logged."""
    if state.error is not None:
        log.warning("job %s: another error, while its loop was left: %s", state.job_id, describe(state.error))
    with state.log_instead_of_raising("its end could not be recorded"):
        state.execution.lifecycle.leave(JobStatus.PAUSED, ending_by(ended_by)[1])


def _warn_of_chunks_passed_over(job_id: str, passed_over: list[ChunkRecord]) -> None:
    count, first = len(passed_over), passed_over[0]
    failed, were = ("chunk", "was") if count == 1 else ("chunks", "were")
    message = (
        f"job {job_id}: {count} {failed} failed in an earlier run and {were} passed over (chunk {first.chunk_index}: "
        f"{first.error or NO_RESULT_TEXT}). To try failed chunks again: job.retry_failed(); then run the job again."
    )
    try:
        log_and_warn(message, ChunksPassedOver)
    except ChunksPassedOver as error:  # warnings are errors here, so store.map() returns no list
        error.add_note('Every result is recorded: job.results(missing="none") returns them.')
        raise


def _remaining_chunks(state: LoopState) -> int:
    """Return how many chunks are left in the range that this loop claimed from: the job may have grown meanwhile."""
    if state.options.shard is not None:
        return remaining_chunks(state.execution, state.options.shard)
    progress, seen = state.execution.recorded.progress(), state.queue.total_chunks
    if progress.total_chunks <= seen:
        return progress.remaining_chunks
    log.info(
        "job %s has %s, and this loop ends with %d of them", state.job_id, counted(progress.total_chunks, "chunk"), seen
    )
    return sum(map(len, state.execution.recorded.remaining_ranges(seen)))


def _end_job(state: LoopState) -> None:
    execution, options = state.execution, state.options
    if state.error is not None:
        status, message = ending_by(state.error)
        execution.lifecycle.leave(JobStatus.PAUSED if state.is_paused else status, message)
        note_answer(state.error)
        raise state.error
    left = _remaining_chunks(state)
    recorded = execution.recorded
    all_failed = recorded.failed_chunks() if not state.is_paused and recorded.progress().remaining_chunks else []
    if all_failed and not left:  # the shard of this loop is complete, and another part of the job has failed
        execution.lifecycle.leave(JobStatus.FAILED, _failure(all_failed))
        return
    is_whole = options.shard is None or execution.is_sequential  # sequential: later chunks wait for it
    failed = [record for record in all_failed if is_whole or record.chunk_index in (options.shard or ())]
    if failed:
        execution.lifecycle.leave(JobStatus.FAILED, _failure(all_failed))
        if options.on_error == "stop" or execution.is_sequential:
            raise ChunkFailed(state.job_id, len(failed), _example(failed))
        unseen = state.failed_before - state.failed_now
        passed_over = [record for record in failed if record.chunk_index in unseen]
        if passed_over:
            _warn_of_chunks_passed_over(state.job_id, passed_over)
        return
    execution.lifecycle.leave(JobStatus.PAUSED)
    kept = state.queue.kept if left else []
    if kept:
        log.warning("job %s: %s", state.job_id, _kept(kept))
    if left and options.on_pause == "raise":
        raise JobPaused(state.job_id, left, f"{_kept(kept)}; then run the loop again." if kept else None)


def _kept(indices: list[int]) -> str:
    were = "was" if len(indices) == 1 else "were"
    return (
        f"{counted(len(indices), 'chunk')} of pending(), from chunk {min(indices)} on, {were} kept by the thread of "
        "the loop, or by its work, without a result, and the loop would wait for ever: complete them, or drop them"
    )


def _failure(failed: list[ChunkRecord]) -> str:
    return f"{len(failed)} failed, {_example(failed)}"


def _example(failed: list[ChunkRecord]) -> str:
    return f"chunk {failed[0].chunk_index}: {failed[0].error or NO_RESULT_TEXT}"
