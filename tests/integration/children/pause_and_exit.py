"""Get a signal in the middle of a completion; the program's handler asks for a pause, and exits. Nobody closes."""

from __future__ import annotations

import signal
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection.store_file import StoreFile

job = CheckpointStore("talks.db").open_job("talk.srt", total_chunks=2)


def pause_and_exit(*_):
    job.pause()
    sys.exit(3)


def interrupted(*arguments):
    StoreFile.refuse_if_moved = original  # type: ignore[method-assign]
    signal.raise_signal(signal.SIGTERM)
    original(*arguments)


signal.signal(signal.SIGTERM, pause_and_exit)
original = StoreFile.refuse_if_moved
StoreFile.refuse_if_moved = interrupted  # type: ignore[method-assign]
job.complete(0, "x")
