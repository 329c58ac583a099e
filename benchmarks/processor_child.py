"""Run a processor of the examples once, in a process of its own; stderr has a line for each call of the service.

argv: the folder of the examples, the processor, its input, the call (from 1) in which it is killed (0: none), and how
many seconds a call takes, by the clock alone.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from importlib import import_module
from pathlib import Path


def watch(die_in: int, call_seconds: float) -> None:
    """Write a line for each call of the service, move the clock by its time; kill this process in call ``die_in``.

    ``die_in`` counts from 1; 0 kills no call. ``call_seconds``: the time of a call.
    """
    service = import_module("processor_service")
    original, real, passed, calls = service.clean, time.monotonic, 0.0, 0

    def counted(text: str) -> object:
        nonlocal passed, calls
        calls += 1
        os.write(2, b"call\n")
        passed += call_seconds
        if calls == die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(text)

    service.clean = counted  # type: ignore[attr-defined]
    time.monotonic = lambda: real() + passed


def written_bytes() -> int:
    """Return how many bytes this process has written so far."""
    lines = Path("/proc/self/io").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def main() -> None:
    examples, name, path, die_in, call_seconds = sys.argv[1:]
    sys.path.insert(0, examples)
    watch(int(die_in), float(call_seconds))
    sys.argv, before = [f"{examples}/{name}.py", path], written_bytes()
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.stdout.flush()
    os.write(2, f"written {written_bytes() - before}\n".encode())


if __name__ == "__main__":
    main()
