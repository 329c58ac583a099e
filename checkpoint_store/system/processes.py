"""The processes of this machine that have a file open or locked, and whether they were stopped, as /proc shows them.

/proc does not show processes of other users and of other containers. So nothing is decided by this module: it only
names processes in a message.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.system.paths import status_of, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMM_LENGTH_MAX: Final = 15
_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNIFIED: Final = (_CGROUPS, _CGROUPS / "unified")
"""The mount points of cgroups version 2, if it is mounted alone, and if version 1 is mounted beside it."""
_STOPPED: Final = frozenset("Tt")
"""The states of a process that a signal, or a debugger, stopped (man 5 proc)."""


class LockHolders(NamedTuple):
    """The processes that seem to hold a lock on a file, as the words of a message."""

    holder: str
    pids: tuple[int, ...] = ()
    advice: str | None = None


def host_name() -> str:
    """Return the name of this machine, as text that every store and screen can hold."""
    return os.fsencode(socket.gethostname()).decode("utf-8", "backslashreplace")


def who_has_open(paths: Iterable[Path]) -> list[int]:
    """Return the processes that have one of these files open, this one included."""
    wanted = {(status.st_dev, status.st_ino) for status in filter(None, map(status_of, paths))}
    return sorted(int(process.name) for process in _processes() if _has_one_of(process, wanted))


def _processes() -> list[Path]:
    with suppress(OSError):
        return [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    return []


def _has_one_of(process: Path, wanted: set[tuple[int, int]]) -> bool:
    with suppress(OSError):
        for name in os.listdir(process / "fd"):
            status = status_of(process / "fd" / name)  # None: the descriptor is gone by now
            if status is not None and (status.st_dev, status.st_ino) in wanted:
                return True
    return False


def lock_holders(paths: Iterable[Path]) -> LockHolders:
    """Say which other process seems to keep a lock on one of these files, and what to do where it was stopped."""
    paths = tuple(paths)
    open_in = set(who_has_open(paths)) - {os.getpid()}
    lockers = (_writers(paths) & open_in) or {pid for pid in open_in if pause_of(pid)}
    if not lockers:
        unseen = "If it was stopped, or its container was paused, let it go on or end it: it does not show here."
        return LockHolders("another process", (), None if open_in else unseen)
    pids = tuple(sorted(lockers))
    advice = " ".join(filter(None, map(_advice, pids)))
    return LockHolders(" and ".join(map(described, pids)), pids, advice or None)


def _writers(paths: Iterable[Path]) -> set[int]:
    """Return the processes that hold an exclusive lock on one of the files.

    On some file systems (btrfs) /proc/locks has other device numbers than ``stat``. So only inodes are compared, and
    the caller also asks which processes have the file open.
    """
    inodes = {str(status.st_ino) for status in filter(None, map(status_of, paths))}
    pids = set()
    with suppress(OSError, ValueError):
        for line in table_lines(_PROC / "locks"):
            _, kind, _, access, pid, file, *_ = line.split()  # kind is "->" for a process that waits for the lock
            if kind != "->" and access == "WRITE" and file.rpartition(":")[2] in inodes:
                pids.add(int(pid))
    return pids


def described(pid: int) -> str:
    """Return a process in words, without its arguments: they may hold a secret. A relative clause ends with a comma."""
    name = ""
    with suppress(OSError):
        name = (_PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
        if len(name) == _COMM_LENGTH_MAX:  # the kernel cuts it off there; the program has its whole name
            programs = (_PROC / str(pid) / "cmdline").read_text("utf-8", "replace").split("\0")[:2]
            whole = (Path(program).name for program in programs)
            name = next((program for program in whole if program.startswith(name)), name)
    process = f"process {pid} ({name})" if name.isprintable() and name else f"process {pid}"
    pause = pause_of(pid)
    return process if pause is None else f"{process}, which {pause.cause},"


def _advice(pid: int) -> str | None:
    pause = pause_of(pid)
    return None if pause is None else f"{pause.remedy}, or end it (kill -9 {pid})."


class Pause(NamedTuple):
    """The reason why a process does not run, as the words of a message."""

    cause: str
    """Follows "which", such as "was stopped"."""
    remedy: str
    """An imperative, without a full stop."""


def pause_of(pid: int) -> Pause | None:
    """Return what stopped a process; None if it was not stopped."""
    with suppress(OSError):
        status = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        if status.rpartition(") ")[2][:1] in _STOPPED:
            return Pause("was stopped (Ctrl-Z or SIGSTOP)", f"Let it go on (fg in its shell, or kill -CONT {pid})")
    if _is_frozen(pid):
        remedy = f"Let the container of process {pid} go on (such as docker unpause)"
        return Pause("is paused with its container", remedy)
    return None


def _is_frozen(pid: int) -> bool:
    with suppress(OSError):
        for line in table_lines(_PROC / str(pid) / "cgroup"):
            _, controllers, path = line.split(":", 2)
            if controllers == "freezer":
                settings = [(_CGROUPS / controllers / path.lstrip("/") / "freezer.state", "FROZEN")]
            elif not controllers:
                settings = [(mount / path.lstrip("/") / "cgroup.events", "frozen 1") for mount in _UNIFIED]
            else:
                continue
            if any(_has_line(*setting) for setting in settings):
                return True
    return False


def _has_line(path: Path, line: str) -> bool:
    with suppress(OSError):
        return line in table_lines(path)
    return False
