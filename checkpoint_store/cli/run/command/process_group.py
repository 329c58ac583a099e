"""The process group of a COMMAND: whether it is alive, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

_ENDED_STATES: Final = frozenset("ZX")


def has_program_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended; its exit code is left for the thread that waits for it."""
    if sys.platform == "win32":
        return False
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process lives that a program started and left in its group: it may print the rest of the answer."""
    if sys.platform == "win32":
        return False
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        return True
    states = [state for group, state in _groups_and_states() if group == child.pid]
    return not states or any(state not in _ENDED_STATES for state in states)


def _groups_and_states() -> Iterator[tuple[int, str]]:
    """Yield the group and the state of each process, where the system has them in files; a container may reap none."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of a program, in brackets, may have any character.
            state, _, group, *_ = path.read_bytes().rpartition(b")")[2].decode("ascii").split()
            yield int(group), state


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a program and the processes of its group, as far as any live."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
