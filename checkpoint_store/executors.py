"""Where work is done: here, in threads, in an event loop, or wherever an executor of the caller's takes it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import threading
import time
import traceback
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import codec, stopping
from checkpoint_store.attempt import attempting
from checkpoint_store.retrying import as_work_failed
from checkpoint_store.work import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.attempt import Attempt

_PARENT_SECONDS: Final = 0.5


class OwnExecutor(Executor):
    """One of our own: its work shares this process's memory, and work that takes too long keeps no place in it."""

    def give_up(self, future: Future[Any]) -> None:
        """This work takes too long: end it, or let other work have its place."""


class Inline(OwnExecutor):
    """Does the work at once, in the thread that asks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done; what asks the thread itself to stop is raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it goes to whoever asks the future
            future.set_exception(error)
        return future


class Threads(OwnExecutor):
    """Threads that a program can leave behind: one that hangs neither keeps it from ending, nor keeps a place."""

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], Any] | None] = queue.SimpleQueue()
        self._missing = workers
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Do the work in a thread."""
        future: Future[Any] = Future()
        if not self._idle.acquire(blocking=False) and self._missing:
            threading.Thread(target=self._work, name="checkpoint-store map", daemon=True).start()
            self._missing -= 1
            self._started += 1
        self._tasks.put((future, fn, args))
        return future

    def give_up(self, future: Future[Any]) -> None:  # noqa: ARG002 - whichever thread it is that hangs
        """Let another thread take the place of the one that hangs."""
        self._missing += 1

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            future, fn, args = task
            del task
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args)
                except BaseException as error:  # noqa: BLE001 - it goes to whoever asks the future
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, fn, args
            self._idle.release()

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Let the threads end when they have nothing to do; none is waited for."""
        for _ in range(self._started):
            self._tasks.put(None)


@dataclass(frozen=True, slots=True)
class Packed:
    """A result as text: it can be sent whatever it is made of."""

    text: str


def call_here(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
    """Do the work in this process."""
    with attempting(attempt):
        return fn(chunk)


def call_elsewhere(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Packed:
    """Do the work in another process; what comes of it, result or exception, can be sent back."""
    _end_with_parent()
    try:
        with attempting(attempt):
            return Packed(codec.encode(fn(chunk)))
    except Exception as error:
        if _can_be_sent(error):
            raise
        raise as_work_failed(error, text_of(error), traceback.format_exc()) from None


def _can_be_sent(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301 - made one line before
    except Exception:  # noqa: BLE001 - whatever it is that an exception of the caller's does there
        return False


_watched = False
_launching: Final = threading.local()


@contextmanager
def launching() -> Iterator[None]:
    """Processes that are started in this block, by this thread, are worker processes: also those that get no work.

    One that a terminal's Ctrl-C ends while it starts would break the pool, and the chunks in hand with it.
    """
    _launching.now = True
    with stopping.interrupts_held_back():
        try:
            yield
        finally:
            _launching.now = False


def _in_forked_child() -> None:
    global _watched  # noqa: PLW0603 - the thread that watches was not forked
    _watched = False
    if getattr(_launching, "now", False):
        _launching.now = False
        _watch_parent(os.getppid(), None)
        stopping.heed_second_interrupt_only()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def _end_with_parent() -> None:
    """A worker process whose parent is gone has nobody to work for; and Ctrl-C is for the parent to understand."""
    if _watched:
        return
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    _watch_parent(os.getppid(), parent.sentinel)
    stopping.heed_second_interrupt_only()


def _watch_parent(pid: int, sentinel: int | None) -> None:
    """End this process when the one that it works for is gone: a fork server in between lives on."""
    global _watched  # noqa: PLW0603 - once in a process
    _watched = True
    sentinels = [] if sentinel is None else [sentinel]

    def watch() -> None:
        while os.getppid() == pid and not wait_for(sentinels, timeout=_PARENT_SECONDS):
            if not sentinels:
                time.sleep(_PARENT_SECONDS)
        os._exit(1)

    from multiprocessing.connection import wait as wait_for  # noqa: PLC0415 - for worker processes only

    threading.Thread(target=watch, name="checkpoint-store parent", daemon=True).start()


def is_local(executor: Executor) -> bool:
    """Whether an executor's work shares this process's memory."""
    return isinstance(executor, OwnExecutor | ThreadPoolExecutor)


def never_began(executor: Executor, future: Future[Any]) -> bool:
    """Cancel work, and return whether it is certain that it never began."""
    return type(executor).__module__.startswith("concurrent.futures") and future.cancel()


def has_places(executor: Any) -> bool:
    """Whether an executor says how many pieces of work it does at the same time, as the standard library's do."""
    size = getattr(executor, "_max_workers", None)
    return isinstance(size, int) and size > 0


def size_of(executor: Any) -> int:
    """Return how many pieces of work an executor does at the same time, as far as it says."""
    return executor._max_workers if has_places(executor) else os.cpu_count() or 1  # noqa: SLF001


def renewed(executor: Executor) -> Executor | None:
    """Return a new pool in the place of one of processes that broke, made as that one was; None for any other kind."""
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - a tenth of a second, for processes only

    if type(executor) is not ProcessPoolExecutor:
        return None
    names = ("mp_context", "initializer", "initargs", "max_tasks_per_child")
    made_with = {name: getattr(executor, f"_{name}", None) for name in names}
    return ProcessPoolExecutor(size_of(executor), **{name: it for name, it in made_with.items() if it is not None})
