"""Several runners on one job, killed and stopped at random and replaced: each chunk once, and no wait for a time-out."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from conftest import Children

PENDING = program(__file__, "run_pending")
MAP = program(__file__, "run_map")
NAIVE = program(__file__, "run_naive")


AT_ONCE_SECONDS = 20.0
"""A limit far below each time-out of the stores (60 s), and far above what a busy machine needs to begin a chunk."""


@dataclass(frozen=True)
class Line:
    """What the work wrote: a chunk began, or ended, in a process, at a moment of the clock that all of them share."""

    word: str
    index: int
    pid: int
    moment: float


def storm(
    children: Children, source: Path, folder: Path, *, runners: int, total: int, strikes: int, seed: int, pace: float
) -> dict[str, int]:
    """Let runners work on a job to its end, and strike one that is at work from time to time; return what struck."""
    rng = random.Random(seed)
    alive: list[subprocess.Popen[str]] = [children.start(source, total, pace) for _ in range(runners)]
    stopped: list[tuple[float, subprocess.Popen[str]]] = []
    struck = {"killed": 0, "stopped": 0}
    while alive or stopped:
        time.sleep(rng.uniform(0.01, 0.05))
        for due, process in list(stopped):
            if time.monotonic() >= due:
                process.send_signal(signal.SIGCONT)
                stopped.remove((due, process))
                alive.append(process)
        for process in [one for one in alive if one.poll() is not None]:
            alive.remove(process)
            assert process.returncode in (0, -signal.SIGKILL), process.communicate()[1]
        so_far = lines(folder)
        at_work = {line.pid for line in so_far}  # to kill one that is still being imported proves nothing
        victims = [process for process in alive if process.pid in at_work]
        begun = sum(line.word == "begin" for line in so_far)
        if victims and begun * strikes > 0.4 * total * sum(struck.values()) and sum(struck.values()) < strikes:
            victim = rng.choice(victims)
            alive.remove(victim)
            if rng.random() < 0.6:
                victim.kill()
                struck["killed"] += 1
                victim.wait()
                alive.append(children.start(source, total, pace))
            else:
                victim.send_signal(signal.SIGSTOP)
                struck["stopped"] += 1
                stopped.append((time.monotonic() + rng.uniform(0.1, 1.5), victim))
    return struck


def lines(folder: Path) -> list[Line]:
    """Return what the work wrote, in order."""
    log = folder / "log"
    words = [line.split() for line in log.read_text("ascii").splitlines()] if log.exists() else []
    return [Line(word, int(index), int(pid), float(moment)) for word, index, pid, moment in words]


def counted(folder: Path, word: str) -> Counter[int]:
    """How often work on each chunk began (or ended)."""
    return Counter(line.index for line in lines(folder) if line.word == word)


def waits(folder: Path) -> list[float]:
    """How long each chunk whose work was never ended by the process that began it waited for another that began it."""
    left: dict[int, float] = {}
    found = []
    for line in lines(folder):
        if line.word == "begin" and line.index in left:
            found.append(line.moment - left[line.index])
        left.pop(line.index, None)
        if line.word == "begin":
            left[line.index] = line.moment
    return found


def judge(folder: Path, name: str, total: int, struck: dict[str, int]) -> None:
    """Compare what the work wrote with what the store says; print the figures."""
    with CheckpointStore(folder / "talks.db") as store:
        (job,) = store.jobs()
        assert store.check() == []
        assert dict(job.items()) == {index: {"of": index} for index in range(total)}
    with closing(sqlite3.connect(folder / "talks.db")) as raw:
        attempts = raw.execute(
            "SELECT chunk_index, sum(outcome = 'completed'), sum(outcome != 'completed') FROM attempts GROUP BY 1"
        ).fetchall()
    begun, ended = counted(folder, "begin"), counted(folder, "end")
    given_up = {index: others for index, _, others in attempts}
    twice = sum(completed != 1 for _, completed, _ in attempts)
    unexplained = sum(begun[index] > 1 + given_up[index] for index in begun)
    longest = max(waits(folder), default=0.0)
    print(
        f"FIGURES runners, {name}: chunks={total} {struck} completed_twice={twice} skipped={total - len(attempts)} "
        f"begun_without_an_attempt={unexplained} in_doubt={sum(given_up.values())} "
        f"ended_twice={sum(count > 1 for count in ended.values())} longest_wait_of_a_killed_chunk={longest:.2f}s"
    )
    assert (twice, len(attempts), unexplained) == (0, total, 0)
    # Work that ended twice ended the first time in a process that was killed before the result was recorded.
    assert all(count <= 1 + given_up[index] for index, count in ended.items())
    assert longest < AT_ONCE_SECONDS


SOURCES = {"pending": PENDING, "map": MAP}
PACES = {"pending": 0.06, "map": 0.18}  # map has three chunks in hand


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_runners_share_a_job(children: Children, tmp_path: Path, name: str) -> None:
    """Runners that are struck several times skip no chunk, and none does a chunk that another runner has."""
    pace = PACES[name]
    struck = storm(children, SOURCES[name], tmp_path, runners=4, total=150, strikes=8, seed=3, pace=pace)
    judge(tmp_path, name, 150, struck)
    assert sum(struck.values()) == 8


@pytest.mark.storm
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("seed", [1, 2])
def test_six_runners_and_forty_strikes(children: Children, tmp_path: Path, name: str, seed: int) -> None:
    """Six runners on 3,000 chunks, struck forty times, skip no chunk, and none does a chunk that another runner has."""
    struck = storm(children, SOURCES[name], tmp_path, runners=6, total=3000, strikes=40, seed=seed, pace=PACES[name])
    judge(tmp_path, name, 3000, struck)
    assert sum(struck.values()) == 40


@pytest.mark.slow
def test_the_storm_sees_chunks_done_twice(children: Children, tmp_path: Path) -> None:
    """The control: two runners that first look and then claim do one chunk twice."""
    for seed in range(20):
        storm(children, NAIVE, tmp_path, runners=4, total=400, strikes=0, seed=seed, pace=0.01)
        twice = sum(count > 1 for count in counted(tmp_path, "end").values())
        if twice:
            print(f"FIGURES runners, naive control: run={seed + 1} chunks=400 ended_twice={twice}")
            return
        for path in tmp_path.iterdir():
            path.unlink()
    pytest.fail("the naive runners never did a chunk twice")
