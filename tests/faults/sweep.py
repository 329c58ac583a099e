"""Let the N-th call that changes or reads a file fail, for each N, during one operation of the library.

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

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ErasureUnfinished,
    MigrationFailed,
    StorageFullError,
    StoreDamaged,
)
from checkpoint_store.storage.connection import checkpoint
from faults import operations, verb_operations
from faults.operations import DONE, TOTAL
from faults.workload import STORE, result_of

if TYPE_CHECKING:
    from faults.operations import Operation

ONCE, SHORT, FROM_HERE_ON, READ = range(4)
KINDS = {
    "ENOSPC": (errno.ENOSPC, ONCE),
    "EIO": (errno.EIO, ONCE),
    "short": (errno.ENOSPC, SHORT),
    "full": (errno.ENOSPC, FROM_HERE_ON),
    "read-only": (errno.EROFS, FROM_HERE_ON),
    "unread": (errno.EIO, READ),
}
_shim = ctypes.CDLL(None)


OPERATIONS: dict[str, type[Operation]] = {
    "complete": operations.Complete,
    "claim": operations.Claim,
    "redo": operations.Redo,
    "map": operations.Loop,
    "first-open": operations.FirstOpen,
    "open-after-kill": operations.OpenAfterKill,
    "open-after-power-cut": operations.OpenAfterPowerCut,
    "migrate": operations.Migrate,
    "export": operations.Export,
    "backup": operations.Backup,
    "close": operations.Close,
    "recover": operations.Recover,
    "report": verb_operations.Report,
    "budget": verb_operations.Budget,
    "paid-in-vain": verb_operations.PaidInVain,
    "handles": verb_operations.Handles,
    "describe": verb_operations.Describe,
    "late-for-another-plan": verb_operations.LateForAnotherPlan,
    "delete": verb_operations.Delete,
    "prune": verb_operations.Prune,
    "merge": verb_operations.Merge,
    "import": verb_operations.Import,
    "save": verb_operations.Save,
    "release": verb_operations.Release,
    "take-in": verb_operations.TakeIn,
}
"""What is swept, by name. ``test_swept_verbs.py`` holds that each writing verb of the storage is among it."""


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
        """Try every call, or with a larger step some: fewer of the later calls, which are much like the earlier."""
        number = first
        while self.trial(kind, number):
            number += step if step == 1 else step + number // 2

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
        cause = error.__cause__ or error if isinstance(error, (MigrationFailed, ErasureUnfinished)) else error
        # SQLite tells of a full disk only where writing to a file finds it; of its other calls, by looking again.
        certain = kind == "full" or (kind == "ENOSPC" and _what().startswith("write") and "-shm" not in _what())
        full = isinstance(cause, StorageFullError)
        if error is not None and ((certain and not full) or (full and kind in ("EIO", "read-only"))):
            self.note(point, [f"misnamed: {type(cause).__name__}: {cause}"])
        if isinstance(cause, StoreDamaged) and self.make is not operations.Recover:  # no operation damages a store
            self.note(point, [f"misnamed: {cause}"])
        if (
            operation.job is not None
            and operation.store is not None
            and not operation.store._context.storage.database.closed
        ):
            found = dict(operation.job.items())
            promised = operation.acknowledged if not operation.next_open_records else ()
            self.note(point, [f"lost: chunk {i}, in the same object" for i in promised if i not in found])
        # As if it had been killed here: copied by another process, so that no lock of this one is dropped.
        killed = self.folder / "killed"
        subprocess.run(["cp", "-r", operation.path.parent, killed], check=True, timeout=60)
        if self.make is not operations.Recover:
            self.note(f"{point}, then killed", _compare(killed / STORE, operation.acknowledged))
        shutil.rmtree(killed)

    def converge(self, operation: Operation, error: BaseException | None, point: str) -> None:
        if error is not None:
            operation.attempt()
            self.count["converged"] += 1
        for name in operation.copies:
            self.note(f"{point}, in {name}", _compare(operation.path.with_name(name), dict.fromkeys(range(DONE))))
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
