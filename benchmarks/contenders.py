"""The contenders: the library, the limit, and the ways in which a user would write a checkpoint by hand."""

from __future__ import annotations

import json
import os
import shutil
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from filelock import FileLock

from benchmarks import workload
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job

Survives = Literal["power loss", "process kill", "nothing"]


class Session(ABC):
    """One contender with its files open."""

    @abstractmethod
    def step(self, index: int, item: Any) -> None:
        """Make one checkpoint."""

    @abstractmethod
    def close(self) -> None:
        """Close everything."""

    def item(self, index: int) -> Any:
        """Return what a step is given; made before the clock starts."""
        return workload.result(index)

    def run(self, start: int, count: int) -> list[float]:
        """Make ``count`` checkpoints from ``start`` on and return the seconds that each took."""
        items = [self.item(index) for index in range(start, start + count)]
        clock, times = time.perf_counter, []
        for index, item in enumerate(items, start):
            before = clock()
            self.step(index, item)
            times.append(clock() - before)
        return times

    def fill(self, start: int, stop: int) -> None:
        """Complete the chunks ``[start, stop)``, as quickly as possible."""
        for index in range(start, stop):
            self.step(index, self.item(index))


@dataclass(frozen=True)
class Contender:
    """A contender: its name, and how to start it. ``package`` is what has to be installed for it."""

    name: str
    make: Callable[[Path], Session]
    survives: Survives = "power loss"
    package: str | None = None
    fill_limit: int = 10**9
    """More chunks than these are not made: it would take too long."""
    block: float = 1.0
    """Share of the usual block; a slow contender makes fewer checkpoints at a time."""


class Ours(Session):
    """The library as anyone would use it."""

    def __init__(
        self, folder: Path, *, durability: Literal["power-loss", "process"] = "power-loss", state_file: bool = True
    ) -> None:
        self._path = folder / "store.db"
        self._options: dict[str, Any] = {"durability": durability}
        if not state_file:
            self._options["state_file"] = None
        self._job_id = workload.create_ours(self._path)
        self._open()

    def _open(self) -> None:
        self._store = CheckpointStore(self._path, **self._options)
        self._job: Job = self._store.job(self._job_id)

    def step(self, index: int, item: Any) -> None:
        self._job.complete(index, item)

    def fill(self, start: int, stop: int) -> None:
        self._store.close()
        workload.fill_ours(self._path, self._job_id, start, stop)
        self._open()

    def close(self) -> None:
        self._store.close()


class Raw(Session):
    """SQLite alone; the JSON text is made before the clock starts."""

    def __init__(self, folder: Path, *, synchronous: str = "FULL") -> None:
        self._path, self._synchronous = folder / "raw.db", synchronous
        self._connection = workload.open_raw(self._path, synchronous=synchronous)

    def item(self, index: int) -> Any:
        return workload.text_of(index)

    def step(self, index: int, item: Any) -> None:
        workload.raw_checkpoint(self._connection, index, item)

    def fill(self, start: int, stop: int) -> None:
        self._connection.close()
        workload.fill_raw(self._path, start, stop)
        self._connection = workload.open_raw(self._path, synchronous=self._synchronous)

    def close(self) -> None:
        self._connection.close()


class RawWithJson(Raw):
    """SQLite alone, with what every contender needs: the JSON text and the time."""

    def item(self, index: int) -> Any:
        return workload.result(index)

    def step(self, index: int, item: Any) -> None:
        at = datetime.now(UTC).isoformat()
        workload.raw_checkpoint(self._connection, index, json.dumps(item, ensure_ascii=False), at)


class Append(Session):
    """One line at the end of a file, and fdatasync."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "results.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)

    def item(self, index: int) -> Any:
        return workload.text_of(index)

    def step(self, index: int, item: Any) -> None:
        os.write(self._file, item.encode() + b"\n")
        self._sync(self._file)

    def close(self) -> None:
        os.close(self._file)


class JsonStateManager(Session):
    """The state manager as it was first planned: the whole state is read and written for each chunk.

    Lock, read, append, write a temporary file, keep the old file as ``.bak``, rename. It never syncs.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".processing_state.json"
        self._lock = FileLock(folder / ".processing_state.lock", timeout=10)
        self._save(
            {
                "version": "1.0",
                "job_id": workload.JOB_ID,
                "status": "running",
                "file_name": workload.FILE_NAME,
                "total_chunks": workload.TOTAL,
                "completed_chunks": [],
                "processed_results": [],
                "started_at": workload.NOW,
                "updated_at": workload.NOW,
                "error_message": None,
                "config": {},
            }
        )

    def _load(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        return state

    def _save(self, state: dict[str, Any]) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(state, indent=2, ensure_ascii=False), "utf-8")
        if self._path.exists():
            shutil.copy2(self._path, self._path.with_suffix(".bak"))
        os.replace(temporary, self._path)

    def step(self, index: int, item: Any) -> None:
        with self._lock:
            state = self._load()
            state["completed_chunks"].append(index)
            state["processed_results"].append(item)
            state["updated_at"] = datetime.now(UTC).isoformat()
            self._save(state)

    def fill(self, start: int, stop: int) -> None:
        state = self._load()
        state["completed_chunks"] += range(start, stop)
        state["processed_results"] += [workload.result(index) for index in range(start, stop)]
        self._save(state)

    def close(self) -> None:
        """Nothing is open."""


RAW: Final = "raw sqlite3, WAL FULL (the limit)"
RAW_AGAIN: Final = "the same once more (noise)"
OURS: Final = "checkpoint_store"
OURS_ALONE: Final = "checkpoint_store, state_file=None"
JSON: Final = "JSON StateManager (first plan)"

LIMITS: Final = [Contender(RAW, Raw), Contender(RAW_AGAIN, Raw)]
CONTENDERS: Final = [
    *LIMITS,
    Contender("raw + json.dumps + clock", RawWithJson),
    Contender("file append + fdatasync", Append),
    Contender(OURS, Ours),
    Contender(OURS_ALONE, lambda folder: Ours(folder, state_file=False)),
]
RAW_NORMAL: Final = "raw sqlite3, WAL NORMAL"
OURS_PROCESS: Final = 'checkpoint_store, durability="process"'
NORMAL: Final = [
    Contender(RAW_NORMAL, lambda folder: Raw(folder, synchronous="NORMAL"), "process kill"),
    Contender(f"{RAW_NORMAL} (noise)", lambda folder: Raw(folder, synchronous="NORMAL"), "process kill"),
    Contender(
        "raw NORMAL + json.dumps + clock", lambda folder: RawWithJson(folder, synchronous="NORMAL"), "process kill"
    ),
    Contender(OURS_PROCESS, lambda folder: Ours(folder, durability="process"), "process kill"),
]
JSON_CONTENDER: Final = Contender(JSON, JsonStateManager, "nothing", fill_limit=20_000, block=0.04)
