"""Several runners on one job, killed and stopped at random and replaced: each chunk once, and no wait for a time-out."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from conftest import Children

# Each piece of work leaves a line when it begins and one when it ends, by one write each, which the kernel keeps apart.
WORK = """
import json, os, random, sqlite3, sys, time
from checkpoint_store import *
total = int(sys.argv[1])
log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def work(index):
    os.write(log, f"begin {index} {os.getpid()}\\n".encode())
    time.sleep(random.uniform(0.001, 0.01))
    os.write(log, f"end {index} {os.getpid()}\\n".encode())
    return {"of": index}
"""
PENDING = """
with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
    job = store.open_job("talk.srt", total_chunks=total)
    for chunk in job.pending(wait=True):
        chunk.complete(work(chunk.index))
"""
MAP = """
with CheckpointStore("talks.db", lock_timeout_seconds=60) as store:
    for item in store.open_job("talk.srt", total_chunks=total).map(work, workers=3, max_attempts=50):
        pass
"""
# The control: look for what is free, then take it.
NAIVE = """
raw = sqlite3.connect("naive.db", timeout=60, isolation_level=None)
raw.execute("PRAGMA journal_mode = WAL")
raw.execute("CREATE TABLE IF NOT EXISTS chunks (chunk INTEGER PRIMARY KEY, state TEXT)")
raw.execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
            "INSERT OR IGNORE INTO chunks SELECT i, 'free' FROM n", (total,))
while (row := raw.execute("SELECT min(chunk) FROM chunks WHERE state = 'free'").fetchone())[0] is not None:
    raw.execute("UPDATE chunks SET state = 'taken' WHERE chunk = ?", row)
    work(row[0])
"""


def storm(children: Children, source: str, *, runners: int, total: int, strikes: int, seed: int) -> dict[str, Any]:
    """Let runners work on a job to its end, and strike one of them from time to time; return what struck."""
    rng = random.Random(seed)
    alive: list[subprocess.Popen[str]] = [children.start(WORK + source, total) for _ in range(runners)]
    stopped: list[tuple[float, subprocess.Popen[str]]] = []
    struck = {"killed": 0, "stopped": 0}
    while alive or stopped:
        time.sleep(rng.uniform(0.01, 0.15))
        for due, process in list(stopped):
            if time.monotonic() >= due:
                process.send_signal(signal.SIGCONT)
                stopped.remove((due, process))
                alive.append(process)
        for process in [one for one in alive if one.poll() is not None]:
            alive.remove(process)
            assert process.returncode in (0, -signal.SIGKILL), process.communicate()[1]
        if alive and sum(struck.values()) < strikes:
            victim = rng.choice(alive)
            if rng.random() < 0.6:
                victim.kill()
                struck["killed"] += 1
                alive.append(children.start(WORK + source, total))
            else:
                victim.send_signal(signal.SIGSTOP)
                struck["stopped"] += 1
                alive.remove(victim)
                stopped.append((time.monotonic() + rng.uniform(0.1, 1.5), victim))
    return struck


def counted(folder: Path, word: str) -> dict[int, int]:
    """How often work on each chunk began (or ended)."""
    found: dict[int, int] = {}
    for line in (folder / "log").read_text("ascii").splitlines():
        what, index, _ = line.split()
        if what == word:
            found[int(index)] = found.get(int(index), 0) + 1
    return found


def judge(folder: Path, name: str, total: int, struck: dict[str, Any]) -> None:
    with CheckpointStore(folder / "talks.db") as store:
        (job,) = store.jobs()
        assert store.check() == []
        assert dict(job.items()) == {index: {"of": index} for index in range(total)}
        attempts = store._open.read(
            lambda connection: connection.exec_driver_sql(
                "SELECT chunk_index, sum(outcome = 'completed'), sum(outcome != 'completed') FROM attempts GROUP BY 1"
            ).fetchall()
        )
    begun, ended = counted(folder, "begin"), counted(folder, "end")
    given_up = {index: others for index, _, others in attempts}
    twice = sum(completed != 1 for _, completed, _ in attempts)
    unexplained = sum(begun[index] > 1 + given_up.get(index, 0) for index in begun)
    print(
        f"FIGURES runners, {name}: chunks={total} {struck} completed_twice={twice} skipped={total - len(attempts)} "
        f"begun_without_an_attempt={unexplained} in_doubt={sum(given_up.values())} "
        f"ended_twice={sum(count > 1 for count in ended.values())}"
    )
    assert (twice, len(attempts), unexplained) == (0, total, 0)
    # Work that ended twice ended the first time in the instant before its process was killed.
    assert all(count <= 1 + given_up.get(index, 0) for index, count in ended.items())


SOURCES = {"pending": PENDING, "map": MAP}


@pytest.mark.parametrize("name", SOURCES)
def test_runners_share_a_job(children: Children, tmp_path: Path, name: str) -> None:
    """Four runners, struck eight times: none skips a chunk, none does one that another has."""
    judge(tmp_path, name, 150, storm(children, SOURCES[name], runners=4, total=150, strikes=8, seed=3))


@pytest.mark.storm
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("seed", [1, 2])
def test_six_runners_and_forty_strikes(children: Children, tmp_path: Path, name: str, seed: int) -> None:
    """The same with six runners, 3,000 chunks and forty strikes."""
    judge(tmp_path, name, 3000, storm(children, SOURCES[name], runners=6, total=3000, strikes=40, seed=seed))


def test_the_storm_sees_chunks_done_twice(children: Children, tmp_path: Path) -> None:
    """The control: looking first and taking then lets two runners do the same chunk."""
    for seed in range(20):
        storm(children, NAIVE, runners=4, total=400, strikes=0, seed=seed)
        if any(count > 1 for count in counted(tmp_path, "end").values()):
            return
        for path in tmp_path.iterdir():
            path.unlink()
    pytest.fail("the naive runners never did a chunk twice")
