"""Get a signal in the middle of a manager's completion; the program's handler sets a status, and exits."""

from __future__ import annotations

import signal
import sys

from checkpoint_store import ProcessingState, StateManager
from checkpoint_store.storage.connection.store_file import StoreFile

manager = StateManager("state.json")
manager.save(ProcessingState(file_name="talk.srt", total_chunks=2, status="running"))


def pause_and_exit(*_):
    manager.set_status("paused")
    sys.exit(3)


def interrupted(*arguments):
    StoreFile.refuse_if_moved = original  # type: ignore[method-assign]
    signal.raise_signal(signal.SIGTERM)
    original(*arguments)


signal.signal(signal.SIGTERM, pause_and_exit)
original = StoreFile.refuse_if_moved
StoreFile.refuse_if_moved = interrupted  # type: ignore[method-assign]
manager.update_chunk_complete(0, "x")
