"""What the tests of Dask and Ray have done in a cluster. A chunk is a folder and a letter; each call is logged."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checkpoint_store import current_attempt

from .executors_work import TwoArgumentsError


def start_ray(**options: Any) -> None:
    """Start Ray with two places. It gives its own processes half a minute to start, which a busy machine may need twice."""
    import ray  # a second, and few tests need it

    for tries_left in (2, 1, 0):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", **options)
        except Exception as error:
            if not tries_left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


def logged(chunk: list[str]) -> tuple[Path, str]:
    folder, letter = Path(chunk[0]), chunk[1]
    number = current_attempt().number
    (folder / f"worker-{letter}-{number}").write_text(json.dumps(os.getpid()))
    with (folder / "calls").open("a") as log:
        log.write(f"{letter} {number}\n")
    return folder, letter


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.02)


def dies_on_b(chunk: list[str]) -> str:
    _, letter = logged(chunk)
    if letter == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    return letter


def fails_on_b(chunk: list[str]) -> str:
    _, letter = logged(chunk)
    if letter == "b":
        raise TwoArgumentsError("this", "that")
    return letter


def unstorable(chunk: list[str]) -> object:
    logged(chunk)
    return {"answer": "paid for", "at": datetime(2026, 1, 2, tzinfo=UTC)}


def waits_for_go(chunk: list[str]) -> str:
    folder, letter = logged(chunk)
    wait_for(folder / "go")
    return letter


def slow_until_go(chunk: list[str]) -> str:
    folder, letter = logged(chunk)
    if letter in "abc":
        return letter
    wait_for(folder / "go")
    return letter


def dies_soon(chunk: list[str]) -> str:
    """End the process of every tenth chunk at its first try: in the work, when it is done, or when its result is fetched."""
    _, name = logged(chunk)
    if int(name) % 10 == 0 and current_attempt().number == 1:
        threading.Timer(random.uniform(0, 0.04), os.kill, (os.getpid(), signal.SIGKILL)).start()
    time.sleep(random.uniform(0, 0.02))
    return name
