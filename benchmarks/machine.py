"""The machine of the benchmarks: its facts, the syncs of a checkpoint, and a disk that is slower than its own."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
_HERE: Final = Path(__file__).resolve().parent
SHARED_MEMORY: Final = Path("/dev/shm")
_STRACE_TOTAL: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(?:fsync|fdatasync)$", re.MULTILINE)


def facts(folder: Path) -> dict[str, str]:
    """Return the facts about the machine that a reader of the figures needs."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": _revision(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "CPU": _cpu(),
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": f"{file_system(folder)} ({folder})",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "load before": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
    }


def _revision() -> str:
    """Return which commit is measured, marked where the tree is not as it was committed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def file_system(folder: Path) -> str:
    """Return the kind of file system that ``folder`` is on."""
    try:
        done = subprocess.run(["df", "--output=fstype", str(folder)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.split()[-1]


def tmpfs() -> Path | None:
    """Return a folder in memory, or None where there is none."""
    usable = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    return SHARED_MEMORY if usable and file_system(SHARED_MEMORY) == "tmpfs" else None


def child_command(function: str, **arguments: Any) -> list[str]:
    """Return the command that calls ``benchmarks.MODULE:NAME`` with these arguments in a process of its own."""
    return [sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments)]


def in_child(function: str, *, env: dict[str, str] | None = None, **arguments: Any) -> Any:
    """Call ``MODULE:NAME`` (of this package) in a process of its own and return its value."""
    done = subprocess.run(
        child_command(function, **arguments),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def syncs_per_checkpoint(name: str, folder: Path, count: int) -> float | None:
    """Return how many fsync and fdatasync calls one checkpoint of a contender makes, or None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    calls = []
    for number in (count, 2 * count):
        place = folder / f"strace-{number}"
        place.mkdir(parents=True)
        output = place / "strace.txt"
        command = child_command("child:checkpoints", name=name, folder=str(place), count=number)
        try:
            subprocess.run(
                [strace, "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(output), *command],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        calls.append(sum(int(one) for one in _STRACE_TOTAL.findall(output.read_text())))
        shutil.rmtree(place)
    return (calls[1] - calls[0]) / count


def slow_disk(folder: Path) -> dict[str, str] | None:
    """Return the environment in which each fsync takes 2 ms longer, or None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "slow_fsync.so"
    try:
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_HERE / "slow_fsync.c")],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"LD_PRELOAD": str(library), "BENCH_FSYNC_DELAY_US": "2000"}


class Memory:
    """How much this process's memory grew at most since the start of the ``with``, in bytes (Linux)."""

    def __init__(self) -> None:
        self.growth_bytes: int | None = None

    def __enter__(self) -> Self:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
        except OSError:
            self._before = None
        else:
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            self.growth_bytes = max(0, _status("VmHWM") - self._before)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024
