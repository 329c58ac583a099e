"""SIGTERM to a whole process group, as that of systemd: worker processes leave the first one to the loop."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import program, wait_until

if TYPE_CHECKING:
    from conftest import Children

POOL = program(__file__, "drive_pool")
METHODS = ["spawn", pytest.param("fork", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_chunks_in_hand_are_finished_and_recorded(children: Children, method: str, tmp_path: Path) -> None:
    """After SIGTERM to the whole process group the chunks in hand are finished, recorded and paid for once."""
    process = children.start(POOL, method, 3, "waits_for_go", "abcdefgh", "{}")
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 3)  # each of three workers has one, and waits
    os.killpg(process.pid, signal.SIGTERM)
    (tmp_path / "go").touch()
    said = json.loads(children.finish(process, code=128 + signal.SIGTERM))
    assert (said["status"], len(said["results"]), said["in_doubt"]) == ("paused", 3, [])


@pytest.mark.slow
def test_the_second_one_ends_them(children: Children, tmp_path: Path) -> None:
    """A second SIGTERM ends the loop and its workers at once, and what was in hand is in doubt."""
    process = children.start(POOL, "spawn", 3, "waits_for_go", "abcdefgh", "{}")
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 3)
    workers = [int(path.read_text()) for path in tmp_path.glob("begun-*")]
    os.killpg(process.pid, signal.SIGTERM)
    wait_until(lambda: (tmp_path / "talks.db").exists() and all(map(outlived_the_first, workers)))
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    wait_until(lambda: not any(map(is_alive, workers)))


def outlived_the_first(pid: int) -> bool:
    """Whether SIGTERM has its default effect again: a worker that had its first one."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return not caught >> (signal.SIGTERM - 1) & 1


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_process_that_the_work_forks_ends_by_the_first(children: Children, tmp_path: Path) -> None:
    """The worker may wait for its end."""
    said = json.loads(children.run(POOL, "fork", 3, "ends_a_fork", "a", "{}"))
    assert (said["status"], len(said["results"]), said["in_doubt"]) == ("completed", 1, [])
