"""Let the N-th call that changes a file fail, for each N, during one operation of the library.

Run as ``python -m faults.sweep FOLDER OPTIONS`` with the shim preloaded; prints one JSON object of counts.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import traceback
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore, CheckpointStoreError, MigrationFailed, StorageFullError
from checkpoint_store.maintenance import recover_store
from checkpoint_store.model.versions import SCHEMA_VERSION
from checkpoint_store.storage.connection import checkpoint
from checkpoint_store.storage.upgrade import migrate
from faults.workload import COPY, INPUT, STORE, result_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from checkpoint_store import Job

TOTAL, DONE = 7, 3
ONCE, SHORT, FROM_HERE_ON = range(3)
KINDS = {
    "ENOSPC": (errno.ENOSPC, ONCE),
    "EIO": (errno.EIO, ONCE),
    "short": (errno.ENOSPC, SHORT),
    "full": (errno.ENOSPC, FROM_HERE_ON),
    "read-only": (errno.EROFS, FROM_HERE_ON),
}
_shim = ctypes.CDLL(None)


class Operation:
    """One operation on a store in which some chunks are complete; it can be tried again."""

    opened = True
    """Whether the store is open before the fault is armed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE
        self.acknowledged = dict.fromkeys(range(DONE), True)
        self.store: CheckpointStore | None = None
        self.job: Job | None = None
        if self.opened:
            self.open()

    @staticmethod
    def template(folder: Path) -> None:
        """Make the files that each trial starts from."""
        with CheckpointStore(folder / STORE) as store:
            job = store.open_job(INPUT, total_chunks=TOTAL)
            job.complete_many((index, result_of(index)) for index in range(DONE))

    def open(self) -> None:
        if self.store is None:
            self.store = CheckpointStore(self.path)
        if self.job is None:
            self.job = self.store.open_job(INPUT, total_chunks=TOTAL)

    def complete(self) -> None:
        assert self.job is not None
        for index in range(TOTAL):
            self.job.complete(index, result_of(index))
            self.acknowledged[index] = True

    def attempt(self) -> None:
        """Do it; what is tried again is the same call on the same object."""
        raise NotImplementedError

    def finish(self) -> None:
        """Complete what is left, and close."""
        self.open()
        self.complete()
        assert self.store is not None
        self.store.close()


class Complete(Operation):
    def attempt(self) -> None:
        self.complete()


class Claim(Operation):
    """Chunks are claimed, fail, are given back and are completed; the job is paused and taken up again."""

    def attempt(self) -> None:
        job = self.job
        assert job is not None
        for chunk in job.pending():
            if chunk.index == TOTAL - 1:
                break  # given back
            if chunk.index == DONE:
                chunk.fail("not this time")
            else:
                chunk.complete(result_of(chunk.index))
                self.acknowledged[chunk.index] = True
        job.pause()
        for _ in range(3):  # failed for good
            job.fail_chunk(TOTAL - 1, "never")
        job.retry_failed()
        job.resume()


class Redo(Operation):
    """Complete chunks are asked for again, and done again; their results stay all the time."""

    is_asked = False

    def attempt(self) -> None:
        assert self.job is not None
        if not self.is_asked:
            self.job.redo(range(DONE))
            self.is_asked = True
        for chunk in self.job.pending():
            chunk.complete(result_of(chunk.index))
            self.acknowledged[chunk.index] = True


class Loop(Operation):
    """The whole loop, in two threads, with a try that fails, and what follows it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tried: Counter[int] = Counter()

    def attempt(self) -> None:
        job = self.job
        assert job is not None
        job.retry_failed()  # what tried and could not be recorded counts, too
        for item in job.map(self.work, workers=2, wait=0):
            self.acknowledged[item.index] = True

    def work(self, index: int) -> object:
        self.tried[index] += 1
        if index == TOTAL - 2 and self.tried[index] == 1:
            raise TimeoutError("not this time")
        return result_of(index)


class FirstOpen(Operation):
    opened = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acknowledged.clear()

    @staticmethod
    def template(folder: Path) -> None:
        pass

    def attempt(self) -> None:
        self.open()


class OpenAfterKill(Operation):
    opened = False

    @staticmethod
    def template(folder: Path) -> None:
        program = Path(__file__).parent / "children" / "killed_with_a_log.py"
        subprocess.run([sys.executable, program, folder], check=True, timeout=60)
        assert (folder / f"{STORE}-wal").stat().st_size

    def attempt(self) -> None:
        self.open()


class OpenAfterPowerCut(OpenAfterKill):
    @staticmethod
    def template(folder: Path) -> None:
        OpenAfterKill.template(folder)
        (folder / f"{STORE}-shm").unlink()  # was only ever in memory


class Migrate(Operation):
    """A migration that rebuilds a table, as later ones may."""

    def attempt(self) -> None:
        assert self.store is not None
        migrate.run(self.store._context.storage.database, SCHEMA_VERSION, _rebuild)


def _rebuild(connection: Connection) -> None:
    (made,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'chunk_results'").one()
    connection.exec_driver_sql(made.replace("chunk_results", "rebuilt", 1))
    connection.exec_driver_sql("INSERT INTO rebuilt SELECT * FROM chunk_results")
    connection.exec_driver_sql("DROP TABLE chunk_results")
    connection.exec_driver_sql("ALTER TABLE rebuilt RENAME TO chunk_results")


class Export(Operation):
    def attempt(self) -> None:
        assert self.job is not None
        self.job.export()
        self.job.export(self.path.with_name("elsewhere.json"))


class Backup(Operation):
    def attempt(self) -> None:
        assert self.store is not None
        self.store.backup(self.path.with_name(COPY))

    def finish(self) -> None:
        _compare(self.path.with_name(COPY), dict.fromkeys(range(DONE)))
        super().finish()


class Close(Operation):
    def attempt(self) -> None:
        assert self.store is not None
        if not self.store._context.storage.database.closed:
            self.complete()
        self.store.close()

    def finish(self) -> None:
        assert self.store is not None
        self.store.close()
        self.store = self.job = None
        super().finish()


class Recover(Operation):
    opened = False

    @staticmethod
    def template(folder: Path) -> None:
        Operation.template(folder)
        with (folder / STORE).open("r+b") as file:
            file.seek(100)  # the list of tables; no one has it open
            file.write(bytes(200))

    def attempt(self) -> None:
        recover_store(self.path)


OPERATIONS: dict[str, type[Operation]] = {
    "complete": Complete,
    "claim": Claim,
    "redo": Redo,
    "map": Loop,
    "first-open": FirstOpen,
    "open-after-kill": OpenAfterKill,
    "open-after-power-cut": OpenAfterPowerCut,
    "migrate": Migrate,
    "export": Export,
    "backup": Backup,
    "close": Close,
    "recover": Recover,
}


def _compare(path: Path, wanted: dict[int, Any]) -> list[str]:
    """Open the store as the next run would, and say what is not as it must be."""
    with CheckpointStore(path) as store:
        job = store.latest_job()
        found = {} if job is None else dict(job.items())
        said = [f"wrong: chunk {index}" for index in found if found[index] != result_of(index)]
        said += [f"lost: chunk {index}" for index in wanted if index not in found]
        said += [f"corrupt: {problem}" for problem in store.check()]
    with closing(sqlite3.connect(path)) as driver:
        (integrity,) = driver.execute("PRAGMA integrity_check").fetchone()
    return said if integrity == "ok" else [*said, f"corrupt: {integrity}"]


class Sweep:
    def __init__(self, folder: Path, make: type[Operation]) -> None:
        self.folder, self.make = folder, make
        self.count: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.said: list[str] = []
        (folder / "template").mkdir()
        make.template(folder / "template")

    def note(self, point: str, found: list[str]) -> None:
        for what in found:
            self.count[what.partition(":")[0]] += 1
            self.said.append(f"{point}: {what}")

    def run(self, kind: str, first: int, step: int) -> None:
        number = first
        while self.trial(kind, number):
            number += step

    def trial(self, kind: str, number: int) -> bool:
        """Return whether the fault fired: else the operation has fewer calls than that."""
        trial = self.folder / "trial"
        shutil.copytree(self.folder / "template", trial)
        before = _open_files()
        operation = self.make(trial)
        error = self.fail(operation, kind, number)
        fired = _shim.faults_fired() > 0
        point = f"{kind} at call {number} ({_what()})"
        try:
            if fired:
                self.count["points"] += 1
                self.judge(operation, error, kind, point)
            self.converge(operation, error, point)
            self.count["leaked"] += _open_files() > before
        except Exception:
            self.note(point, [f"foreign: {traceback.format_exc(limit=-6)}"])
            if operation.store is not None:
                operation.store._context.reading.close()
        shutil.rmtree(trial)
        return fired

    def fail(self, operation: Operation, kind: str, number: int) -> BaseException | None:
        _shim.faults_watch(os.fsencode(operation.path.parent))
        _shim.faults_arm(ctypes.c_long(number), *KINDS[kind])
        try:
            operation.attempt()
        except Exception as error:
            return error
        finally:
            _shim.faults_stop()
        return None

    def judge(self, operation: Operation, error: BaseException | None, kind: str, point: str) -> None:
        self.errors["none" if error is None else type(error).__name__] += 1
        if error is not None and not isinstance(error, CheckpointStoreError):
            self.note(point, [f"foreign: {''.join(traceback.format_exception(error))[-1500:]}"])
        cause = error.__cause__ if isinstance(error, MigrationFailed) else error
        # SQLite tells of a full disk only where writing to a file finds it; of its other calls, by looking again.
        certain = kind == "full" or (kind == "ENOSPC" and _what().startswith("write") and "-shm" not in _what())
        full = isinstance(cause, StorageFullError)
        if error is not None and ((certain and not full) or (full and kind in ("EIO", "read-only"))):
            self.note(point, [f"misnamed: {type(cause).__name__}: {cause}"])
        if (
            operation.job is not None
            and operation.store is not None
            and not operation.store._context.storage.database.closed
        ):
            found = dict(operation.job.items())
            self.note(point, [f"lost: chunk {i}, in the same object" for i in operation.acknowledged if i not in found])
        # As if it had been killed here: copied by another process, so that no lock of this one is dropped.
        killed = self.folder / "killed"
        subprocess.run(["cp", "-r", operation.path.parent, killed], check=True, timeout=60)
        if self.make is not Recover:
            self.note(f"{point}, then killed", _compare(killed / STORE, operation.acknowledged))
        shutil.rmtree(killed)

    def converge(self, operation: Operation, error: BaseException | None, point: str) -> None:
        if error is not None:
            operation.attempt()
            self.count["converged"] += 1
        operation.finish()
        self.note(point, _compare(operation.path, dict.fromkeys(range(TOTAL))))
        # What could not be removed because removing failed is there still.
        left = (
            []
            if _what().startswith("unlink")
            else [name.name for name in operation.path.parent.iterdir() if ".tmp-" in name.name]
        )
        self.note(point, [f"left: {name}" for name in left])


def control(folder: Path) -> Counter[str]:
    """What every processor does at first: one JSON file, written anew in place after each chunk."""
    count: Counter[str] = Counter()
    path = folder / "state.json"
    _shim.faults_watch(os.fsencode(folder))
    for error, kind in KINDS.values():
        for number in range(1, 1000):
            acknowledged = [result_of(index) for index in range(DONE)]
            path.write_text(json.dumps(acknowledged))
            _shim.faults_arm(ctypes.c_long(number), error, kind)
            with suppress(OSError):
                path.write_text(json.dumps([*acknowledged, result_of(DONE)]))
            _shim.faults_stop()
            if not _shim.faults_fired():
                break
            count["points"] += 1
            try:
                count["lost"] += json.loads(path.read_text())[:DONE] != acknowledged
            except ValueError:
                count["lost"] += 1
    return count


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _what() -> str:
    return str(_shim.faults_what().decode())


def main() -> None:
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    _shim.faults_what.restype = ctypes.c_char_p
    if options["operation"] == "control":
        print(json.dumps({"count": control(folder)}))
        return
    checkpoint.CHECKPOINT_BYTES = 60_000  # type: ignore[misc] - one in each operation
    sweep = Sweep(folder, OPERATIONS[options["operation"]])
    for offset, kind in enumerate(KINDS):
        sweep.run(kind, 1 + offset % options["step"], options["step"])
    print(json.dumps({"count": sweep.count, "errors": sweep.errors, "said": sweep.said}))


if __name__ == "__main__":
    main()
