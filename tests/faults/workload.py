"""A run through the library that says, into a file of its own, what was acknowledged and when.

Run as ``python -m faults.workload FOLDER OPTIONS``; each line of ``FOLDER/ACKS`` is one acknowledgement:
``opened``, ``closed``, ``copied`` or ``INDEX VERSION``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection import checkpoint, pragmas

STORE, STATE, ACKS, COPY = "talk.db", "talk.json", "ACKS", "copy.db"
INPUT = "talk.srt"


def result_of(index: int, version: int = 0) -> dict[str, Any]:
    """The one right result of a chunk: short ones, and ones that take several pages."""
    words = (7, 60, 900, 3000)[(index + version) % 4]
    return {"index": index, "version": version, "cleaned_text": f"chunk {index}.{version} ä " * words, "cost": 0.25}


class _Run:
    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder, self.options = folder, options
        self.total: int = options["total"]
        self._acks = os.open(folder / ACKS, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def acknowledge(self, what: str) -> None:
        os.write(self._acks, f"{what}\n".encode())

    def store(self) -> CheckpointStore:
        return CheckpointStore(self.folder / STORE, durability=self.options["durability"], lock_timeout_seconds=60)

    def threads(self) -> None:
        """Two threads complete the chunks of the first half, and share them with other processes by claims."""
        with self.store() as store:
            job = store.open_job(INPUT, total_chunks=self.total)
            self.acknowledge("opened")

            def work() -> None:
                for chunk in job.pending():
                    if chunk.index >= self.total // 2:
                        break
                    chunk.complete(result_of(chunk.index))
                    self.acknowledge(f"{chunk.index} 0")

            workers = [threading.Thread(target=work) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        self.acknowledge("closed")

    def alone(self) -> None:
        """Reopen; a batch, a replaced result, a backup, the rest by hand, by claims and by a loop, the end.

        Claims and failures are commits of their own, between completions.
        """
        first, total = self.total // 2, self.total
        with self.store() as store, store.open_job(INPUT, total_chunks=total) as job:
            job.complete_many((index, result_of(index)) for index in range(first, first + 2))
            for index in range(first, first + 2):
                self.acknowledge(f"{index} 0")
            job.complete(0, result_of(0, 1), replace=True)
            self.acknowledge("0 1")
            store.backup(self.folder / COPY)
            self.acknowledge("copied")
            job.complete(first + 2, result_of(first + 2))
            self.acknowledge(f"{first + 2} 0")
            for chunk in job.pending():
                if chunk.index == total - 2:
                    chunk.fail("not this time")
                    break
                chunk.complete(result_of(chunk.index))
                self.acknowledge(f"{chunk.index} 0")
            job.retry_failed()
            for item in job.map(result_of, workers=2):
                self.acknowledge(f"{item.index} 0")
        self.acknowledge("closed")


def _skip_syncing_files() -> None:
    real = os.fsync

    def only_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            real(descriptor)

    os.fsync = only_folders


def main() -> None:
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    checkpoint.CHECKPOINT_BYTES = 120_000  # type: ignore[misc] - several checkpoints in a short run
    if options["journal"] != "wal":
        pragmas.file_system = lambda _path: "nfs"
    if options["careless_files"]:
        _skip_syncing_files()
    run = _Run(folder, options)
    run.threads()
    if options["processes"] == 1:
        run.alone()


if __name__ == "__main__":
    main()
