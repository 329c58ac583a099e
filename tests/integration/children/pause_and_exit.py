"""Get a signal in the middle of a completion; the program's handler pauses the job, and exits. Nobody closes.

With an argument, a manager completes the chunk, and the handler sets its status.
"""

from __future__ import annotations

import signal
import sys

from checkpoint_store import CheckpointStore, ProcessingState, StateManager
from checkpoint_store.storage.connection.file_guard import FileGuard

if sys.argv[1:]:
    manager = StateManager("state.json")
    manager.save(ProcessingState(file_name="talk.srt", total_chunks=2, status="running"))

    def pause():
        manager.set_status("paused")

    def complete():
        manager.update_chunk_complete(0, "x")

else:
    job = CheckpointStore("talks.db").open_job("talk.srt", total_chunks=2)
    pause = job.pause

    def complete():
        job.complete(0, "x")


def pause_and_exit(*_):
    pause()
    sys.exit(3)


def interrupted(*arguments):
    FileGuard.refuse_if_moved = original  # type: ignore[method-assign]
    signal.raise_signal(signal.SIGTERM)
    original(*arguments)


signal.signal(signal.SIGTERM, pause_and_exit)
original = FileGuard.refuse_if_moved
FileGuard.refuse_if_moved = interrupted  # type: ignore[method-assign]
complete()
