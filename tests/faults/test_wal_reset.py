"""SQLite before 3.51.3 corrupts a file when a checkpoint runs beside a commit (sqlite.org/wal.html#walresetbug).

The tests map the file, and SQLite gives the map back in the middle of the checkpoint: that takes milliseconds, so a
commit comes in between. A control without a guard against the bug loses chunks; the library loses none.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, CheckpointStoreError, StoreRecovered
from faults.conftest import Figures, child_environment
from faults.workload import result_of

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = 3
_VERSION, _BACK_PORTED = sqlite3.sqlite_version_info, ((3, 50, 7), (3, 44, 6))
FIXED = _VERSION >= (3, 51, 3) or any(_VERSION[:2] == one[:2] and one <= _VERSION for one in _BACK_PORTED)

# What SQLite does by default, with a memory map: commits, automatic checkpoints, and one who checkpoints besides.
CARELESS = program(__file__, "careless")


def _together(shim: Path, *command: str, rounds: int, more: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Run a program several times at once, and return what each said."""
    environment = child_environment(LD_PRELOAD=str(shim), FAULTS_SLOW_MUNMAP="3000")
    started = [
        subprocess.Popen(
            [sys.executable, *command, str(number), str(rounds // PROCESSES + 1), *more],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    return [_said(process.communicate(timeout=3000)[0]) for process in started]


def _said(output: str) -> dict[str, Any]:
    if not output:
        return {"acknowledged": 0, "rounds": 0, "error": "it died of a corrupt file"}
    said: dict[str, Any] = json.loads(output)
    return said


def _sound(path: Path, said: list[dict[str, Any]]) -> bool:
    """Whether the store holds exactly what was acknowledged."""
    if any(one["error"] for one in said):
        return False
    try:
        with CheckpointStore(path, state_file=None) as store:
            found = {job.file_name: list(job.items()) for job in store.jobs()}
            problems = store.check()
    except (CheckpointStoreError, StoreRecovered):
        return False
    wanted = {
        f"talk {number}": [(index, result_of(index)) for index in range(one["acknowledged"])]
        for number, one in enumerate(said)
    }
    return not problems and found == wanted


def _run_ours(shim: Path, path: Path, *, rounds: int, care: str) -> list[dict[str, Any]]:
    CheckpointStore(path, state_file=None).close()  # created by one, so that no time is lost in waiting
    return _together(shim, "-m", "faults.commits", str(path), rounds=rounds, more=(care,))


def _careless_is_corrupted(shim: Path, path: Path, rounds: int) -> bool:
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("CREATE TABLE t(process, i, text, PRIMARY KEY (process, i))")
        driver.executemany("INSERT INTO t VALUES (-1, ?, ?)", ((i, "y" * 3000) for i in range(100)))
        driver.commit()
    said = _together(shim, str(CARELESS), str(path), rounds=rounds)
    try:
        with closing(sqlite3.connect(path)) as driver:
            (integrity,) = driver.execute("PRAGMA integrity_check(1)").fetchone()
            found = dict(driver.execute("SELECT process, count(*) FROM t GROUP BY 1"))
    except sqlite3.DatabaseError:
        return True
    lost = any(found.get(number, 0) < one["acknowledged"] for number, one in enumerate(said))
    return integrity != "ok" or lost or any(one["error"] for one in said)


def _ours(shim: Path, path: Path, rounds: int) -> dict[str, object]:
    said = _run_ours(shim, path, rounds=rounds, care="ours")
    assert _sound(path, said), said
    return {
        "sqlite": sqlite3.sqlite_version,
        "processes": PROCESSES,
        "rounds": sum(one["rounds"] for one in said),
        "acknowledged": sum(one["acknowledged"] for one in said),
        "corrupt": 0,
    }


def _controls(shim: Path, folder: Path, rounds: int, runs: int) -> dict[str, object]:
    """Return how many runs of each control it took until one was corrupted; empty where SQLite has the fix."""
    if FIXED:
        return {}
    for careless in range(1, runs + 1):
        if _careless_is_corrupted(shim, folder / f"careless-{careless}.db", rounds):
            break
    else:
        pytest.fail("careless use has to be corrupted, or this test sees nothing")
    for unlocked in range(1, runs + 1):
        path = folder / f"unlocked-{unlocked}.db"
        if not _sound(path, _run_ours(shim, path, rounds=rounds, care="careless")):
            break
    else:
        pytest.fail("so has the library's own checkpoint without the writers' lock")
    return {"control_corrupt_in_run": careless, "control_without_lock_corrupt_in_run": unlocked}


@pytest.mark.slow
def test_a_checkpoint_beside_other_writers_corrupts_nothing(shim: Path, fast_folder: Path, figures: Figures) -> None:
    """Several processes that commit and checkpoint all the time keep every chunk."""
    figures("wal-reset", **_ours(shim, fast_folder / "ours.db", 90))


@pytest.mark.slow
@pytest.mark.skipif(FIXED, reason="this SQLite has the fix: nothing is corrupted any more")
def test_a_careless_log_is_corrupted(shim: Path, fast_folder: Path, figures: Figures) -> None:
    """The control: what SQLite does by default loses chunks, and so does the library without the writers' lock."""
    figures("wal-reset, control", **_controls(shim, fast_folder, 600, 30))


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_thousands_of_checkpoints_beside_other_writers_corrupt_nothing(
    shim: Path, fast_folder: Path, figures: Figures
) -> None:
    """Thousands of checkpoints beside other writers corrupt nothing."""
    counts = _ours(shim, fast_folder / "ours.db", 6000)
    figures("wal-reset, thousands", **counts, **_controls(shim, fast_folder, 3000, 30))
