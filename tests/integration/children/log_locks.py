"""Log everything, complete a chunk in a store, and print the lines that the package filelock logged. argv: the store."""

from __future__ import annotations

import logging
import sys

from checkpoint_store import CheckpointStore


class Names(logging.Handler):
    """Keeps the names of the logs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the name of the log of a line."""
        self.names.append(record.name)


handler = Names()
logging.basicConfig(level=logging.DEBUG, handlers=[handler])
with CheckpointStore(sys.argv[1]) as store:
    store.open_job("talk.srt", total_chunks=1).complete(0, "zero")
print([name for name in handler.names if name.startswith("filelock")], flush=True)
