"""SIGTERM in worker processes: a worker ignores the first SIGTERM, and leaves it to the process of the loop.

A SIGTERM often goes to a whole process group, as that of systemd does. The loop finishes the chunks in hand then, and a
worker process that ended meanwhile would break its pool, and leave all of these chunks in doubt.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from checkpoint_store.loop import signals


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
