"""Close a store: its loops end first, and each result that was paid for is recorded before the file is closed."""

from __future__ import annotations

import sys
import threading
import warnings
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.claims.chunk_queue import act_for, acting_thread
from checkpoint_store.execution.claims.requests import handler_interrupts_library
from checkpoint_store.execution.loops.deadlocks import work_waits_for_this_thread
from checkpoint_store.execution.unrecorded.kept_results import note_where, says_where
from checkpoint_store.model.attempt import threads_at_work
from checkpoint_store.model.error_text import add_note, notes_of
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import ReferenceType

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.state_file.writer import StateFile

_DEADLOCK_CHECK_SECONDS: Final = 0.1


def close(context: StoreContext, error: BaseException | None = None) -> None:
    """Close a store; see :meth:`CheckpointStore.close`. ``error``: what ended the work with the store."""
    if context.loops.would_deadlock or handler_interrupts_library():
        context.loops.stop()
        # The process does not end before this thread does.
        work = partial(close_unattended, partial(_close, context, error))
        threading.Thread(target=work, name="checkpoint-store close", daemon=False).start()
    elif threads_at_work() and threading.current_thread() is not threading.main_thread():
        _close_watched(context, error)
    else:
        _close(context, error)


def _close_watched(context: StoreContext, error: BaseException | None) -> None:
    """Close a store in another thread, and wait for it unless the work in flight waits for this thread."""
    closed: Future[None] = Future()
    act_as = acting_thread()

    def run() -> None:
        act_for(act_as)
        try:
            _close(context, error)
        except BaseException as problem:
            closed.set_exception(problem)  # raised by close(), if its caller still waits
            if is_left:
                raise
        else:
            closed.set_result(None)

    is_left: list[bool] = []
    threading.Thread(target=close_unattended, args=(run,), name="checkpoint-store close", daemon=False).start()
    while not wait([closed], timeout=_DEADLOCK_CHECK_SECONDS).done:
        if work_waits_for_this_thread():
            is_left.append(True)
            log.warning("%s is closed once the work that waits for close() has ended", context.reading.path)
            return
    closed.result()


def _close(context: StoreContext, error: BaseException | None) -> None:
    with context.loops.closing:
        if context.reading.closed:
            return
        try:
            context.loops.end()
        finally:
            _release_everything(context, error)


def _release_everything(context: StoreContext, error: BaseException | None) -> None:
    try:
        context.pauses.record()
        try:
            _record_or_keep(context)
        except BaseException:
            with suppress(CheckpointStoreError):  # what keeps a result from being recorded may keep these, too
                _end_runners(context, error)
            raise
        _end_runners(context, error)
    finally:
        try:
            context.reading.close()
        finally:
            context.loops.is_closed = True


def _end_runners(context: StoreContext, error: BaseException | None) -> None:
    """End the runners, and make the state file exact: it may be all that is left of a store that was deleted."""
    try:
        for claims in list(context.runners):
            claims.close()
        if error is not None:
            lifecycle.keep_errors(context, error)
    finally:
        if context.state_file is not None:
            context.state_file.write_if_behind()
            _write_what_was_left_behind(context.state_file)


def _write_what_was_left_behind(state_file: StateFile) -> None:
    """Write the state file that a killed program left behind. An error is logged: this program changed nothing."""
    if state_file.left_behind is not None:
        try:
            state_file.write(state_file.left_behind)
        except CheckpointStoreError as error:
            log.warning("%s stays behind, as a killed program left it: %s", state_file.path, error)


def _record_or_keep(context: StoreContext) -> None:
    """Record the results that could not be recorded before. Keep the rest in a file, and say so."""
    try:
        context.record_unrecorded()
    except BaseException as error:
        left = context.unrecorded.write_rest()
        if left is not None:
            note_where(error, left)
        raise


def close_in_finalizer(context: StoreContext) -> None:
    """Close a store that nobody refers to any more. Warn of results that cannot be recorded."""
    try:
        close_unattended(partial(close, context))
    except Exception:
        if not sys.is_finalizing():  # while the interpreter ends, parts of the library may be gone already
            raise


def close_unattended(close: Callable[[], object]) -> None:
    """Close a store where no caller can handle an error: warn of it. A traceback would say nothing more."""
    try:
        close()
    except CheckpointStoreError as error:
        warnings.warn(message_with_notes(error), RuntimeWarning, stacklevel=4)


def end_with_process(reference: ReferenceType[StoreContext]) -> None:
    """End the loops that are still open when the process ends. Warn of results that cannot be recorded."""
    context = reference()
    if context is None or context.loops.is_closed:
        return
    problem: CheckpointStoreError | None = None
    try:
        context.loops.end()
        context.pauses.record()
        _record_or_keep(context)
    except CheckpointStoreError as error:
        problem = error
    program_error = getattr(sys, "last_value", None)
    if program_error is not None:
        lifecycle.keep_errors(context, program_error)
    if problem is not None:  # last: where warnings are errors, it keeps nothing from being recorded
        warnings.warn(message_with_notes(problem), RuntimeWarning, stacklevel=1)


def note_besides(error: BaseException, late: CheckpointStoreError) -> None:
    """Note at the error that ended the work with a store what kept the store from being closed as it should be."""
    for note in filter(says_where, notes_of(late)):
        note_where(error, note)
    others = [note for note in notes_of(late) if not says_where(note)]
    if others or str(late) != str(error):
        text = "\n".join([str(late), *others])
        add_note(error, f"Besides, the store could not be closed as it should be: {text}")


def message_with_notes(error: BaseException) -> str:
    """Return the message of an error with its notes."""
    return "\n".join([str(error), *notes_of(error)])
