"""The processes of this machine that have a file open or locked, and whether they were stopped, as /proc shows it.

/proc does not show processes of other users and of other containers. So nothing is decided by this module: it only
names processes in a message.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNIFIED: Final = (_CGROUPS, _CGROUPS / "unified")
"""Where the second version of cgroups is mounted: alone, or beside the first one."""
_STOPPED: Final = frozenset("Tt")
"""Stopped by a signal, or by a debugger (man 5 proc)."""


class LockHolders(NamedTuple):
    """The processes that seem to hold a lock on a file, as the words of a message."""

    holder: str
    pids: tuple[int, ...] = ()
    advice: str | None = None


def who_has_open(paths: Iterable[Path]) -> list[int]:
    """Return the processes that have one of these files open, this one included."""
    wanted = set()
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            wanted.add((status.st_dev, status.st_ino))
    return sorted(int(process.name) for process in _processes() if _has_one_of(process, wanted))


def _processes() -> list[Path]:
    with suppress(OSError):
        return [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    return []


def _has_one_of(process: Path, wanted: set[tuple[int, int]]) -> bool:
    with suppress(OSError):
        for name in os.listdir(process / "fd"):  # a descriptor may be gone the next moment
            with suppress(OSError):
                status = os.stat(process / "fd" / name)
                if (status.st_dev, status.st_ino) in wanted:
                    return True
    return False


def lock_holders(paths: Iterable[Path]) -> LockHolders:
    """Say which other process seems to keep a lock on one of these files, and what to do where it was stopped."""
    paths = tuple(paths)
    open_in = set(who_has_open(paths)) - {os.getpid()}
    lockers = (_writers(paths) & open_in) or {pid for pid in open_in if _pause_of(pid)}
    if not lockers:
        unseen = "If it was stopped, or its container was paused, let it go on or end it: it does not show here."
        return LockHolders("another process", (), None if open_in else unseen)
    pids = tuple(sorted(lockers))
    advice = " ".join(filter(None, map(_advice, pids)))
    return LockHolders(" and ".join(map(_described, pids)), pids, advice or None)


def _writers(paths: Iterable[Path]) -> set[int]:
    """Return the processes that hold an exclusive lock on one of the files.

    On some file systems (btrfs) /proc/locks has other device numbers than ``stat``. So only inodes are compared, and
    the caller also asks which processes have the file open.
    """
    inodes = set()
    for path in paths:
        with suppress(OSError):
            inodes.add(str(os.stat(path).st_ino))
    pids = set()
    with suppress(OSError, ValueError):
        for line in (_PROC / "locks").read_text().splitlines():
            words = line.split()
            if words[1] != "->" and words[3] == "WRITE" and words[5].rpartition(":")[2] in inodes:
                pids.add(int(words[4]))
    return pids


def _described(pid: int) -> str:
    """Return a process in words, without its arguments: they may hold a secret."""
    name = ""
    with suppress(OSError):
        name = (_PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    process = f"process {pid} ({name})" if name.isprintable() and name else f"process {pid}"
    pause = _pause_of(pid)
    return f"{process}, which {pause[0]}," if pause else process


def _advice(pid: int) -> str | None:
    pause = _pause_of(pid)
    return pause and (
        f"{pause[1]}, or end it (kill -9 {pid}): what it has recorded is safe, and the chunks in its hand are in doubt."
    )


def _pause_of(pid: int) -> tuple[str, str] | None:
    """Return what stopped a process, and how to let it go on; None if it was not stopped."""
    with suppress(OSError):
        status = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        if status.rpartition(") ")[2][:1] in _STOPPED:
            return "was stopped (Ctrl-Z or SIGSTOP)", f"Let it go on (fg in its shell, or kill -CONT {pid})"
    if _is_frozen(pid):
        return "is paused with its container", f"Let the container of process {pid} go on (such as docker unpause)"
    return None


def _is_frozen(pid: int) -> bool:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "freezer":
                settings = [(_CGROUPS / controllers / path.lstrip("/") / "freezer.state", "FROZEN")]
            elif not controllers:
                settings = [(place / path.lstrip("/") / "cgroup.events", "frozen 1") for place in _UNIFIED]
            else:
                continue
            if any(_has_line(*setting) for setting in settings):
                return True
    return False


def _has_line(path: Path, line: str) -> bool:
    with suppress(OSError):
        return line in path.read_text().splitlines()
    return False
