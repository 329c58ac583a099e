"""Work in other processes: what is sent there, what is sent back, and how a worker process ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidResultError
from checkpoint_store.execution.results import encoded
from checkpoint_store.loop import signals
from checkpoint_store.loop.executors.local import Unstorable, call_here
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.system.forks import ForkOrder, at_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.model.attempt import Attempt


def leave_first_to_parent() -> None:
    """Let this worker process outlive the first SIGTERM; the second ends it, and so does the end of its parent.

    An earlier Ctrl-C counts as the first signal. A pool goes on after a KeyboardInterrupt in its work; a pool that
    breaks sends SIGTERM to each worker, and waits for its end.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_first)


def end_by_first() -> None:
    """Let SIGTERM end a process that a worker process forked: the worker may wait for its end."""
    if signal.getsignal(signal.SIGTERM) is _on_first:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_first(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signals.note_termination():
        signal.raise_signal(signal.SIGTERM)


def kill_workers(executor: Any) -> None:
    """Kill the processes of a pool that broke: they outlive the SIGTERM by which the pool itself would end them."""
    pools = sys.modules.get("concurrent.futures.process")
    if pools is not None and isinstance(executor, pools.ProcessPoolExecutor):
        for process in list((getattr(executor, "_processes", None) or {}).values()):
            with suppress(OSError, ValueError):  # it has ended
                process.kill()


_PARENT_CHECK_INTERVAL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Packed:
    """A result as JSON text, which can be sent to another process whatever types the result has."""

    text: str


def call_elsewhere(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Packed | Unstorable | Raised:
    """Do the work in a worker process that ends with this one; return what can be sent back."""
    _end_with_parent()
    return call_and_pack(fn, attempt, chunk)


def call_and_pack(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Packed | Unstorable | Raised:
    """Do the work, and return a value that can be sent to another process: the result, or the reason for none."""
    result = call_here(fn, attempt, chunk)
    if isinstance(result, Raised):
        return result
    try:
        return Packed(encoded(result, chunk_index=attempt.chunk_index))
    except InvalidResultError as error:
        return Unstorable(error)


_is_watching = False
_launching: Final = threading.local()


@contextmanager
def launching() -> Iterator[None]:
    """Mark the processes that this thread starts in this block as worker processes, also those that get no work.

    A Ctrl-C of the terminal that ended a process while it starts would break the pool, and fail the chunks in it.
    """
    _launching.now = True
    with signals.interrupts_held_back():
        try:
            yield
        finally:
            _launching.now = False


def _in_forked_child() -> None:
    global _is_watching  # noqa: PLW0603 - the watching thread is not forked
    _is_watching = False
    end_by_first()
    if getattr(_launching, "now", False):
        _launching.now = False
        _watch_parent(os.getppid(), None)
        signals.heed_second_interrupt_only()
        leave_first_to_parent()


at_fork(ForkOrder.WORKERS, after_in_child=_in_forked_child)


def _end_with_parent() -> None:
    """Let this worker process end with its parent, and leave the first Ctrl-C and the first SIGTERM to the parent."""
    if _is_watching:
        return
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    _watch_parent(os.getppid(), parent.sentinel)
    signals.heed_second_interrupt_only()
    leave_first_to_parent()


def _watch_parent(pid: int, sentinel: int | None) -> None:
    """End this process when the process that it works for has ended; a fork server between the two lives on."""
    global _is_watching  # noqa: PLW0603 - once in a process
    _is_watching = True
    sentinels = [] if sentinel is None else [sentinel]

    def watch() -> None:
        while os.getppid() == pid and not wait_for(sentinels, timeout=_PARENT_CHECK_INTERVAL_SECONDS):
            if not sentinels:
                time.sleep(_PARENT_CHECK_INTERVAL_SECONDS)
        os._exit(1)

    from multiprocessing.connection import wait as wait_for  # for worker processes only

    threading.Thread(target=watch, name="checkpoint-store parent", daemon=True).start()
