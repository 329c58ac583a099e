"""Chunks that are done again, by two processes that are killed: each is paid for as often as that was asked, no more."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

from .plans import run_plans

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

RUNNER = program(__file__, "redo_runner")
CHUNKS = 8


class Storm:
    """A job, everything that was paid for on it, and how often it was asked for."""

    def __init__(self, folder: Path, children: Children, seed: int) -> None:
        self.folder, self.children, self.dice = folder, children, random.Random(seed)
        self.kills = 0

    def run(self, *kills_after: int | None, asks: int = 0) -> None:
        """Work on the job in as many processes, each of which dies where its number says."""
        plans = []
        for kill_after in kills_after:
            plan = {"kill_after": kill_after, "in_work": self.dice.random() < 0.5, "chunks": CHUNKS, "asks": asks}
            plan |= {"seed": self.dice.random(), "waits": len(kills_after) == 1}
            plans.append(plan)
        self.kills += run_plans(self.children, RUNNER, plans)

    def count(self, name: str) -> Counter[int]:
        """Return how often each chunk stands in a log."""
        path = self.folder / name
        return Counter(map(int, path.read_text().split() if path.exists() else []))

    def problems(self) -> dict[str, Any]:
        """Return what is wrong now: chunks without their result, and chunks that were paid for too often."""
        with CheckpointStore(self.folder / "talks.db") as store:
            assert store.check() == []
            job = store.job("talk.srt")
            held, left = dict(job.items()), set(job.to_redo())
        paid, asked = self.count("paid.log"), self.count("asked.log")
        due = {index: 1 + asked[index] - (index in left) for index in held}
        return {
            "lost": [index for index in range(CHUNKS) if paid[index] and index not in held],
            "paid for otherwise than asked": [index for index in held if paid[index] != due[index]],
        }


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [
        pytest.param(1, 3, marks=pytest.mark.slow),
        *(pytest.param(seed, 40, marks=pytest.mark.storm) for seed in (2, 3)),
    ],
)
def test_each_redo_is_paid_for_once(seed: int, rounds: int, tmp_path: Path, children: Children) -> None:
    """Redoing chunks loses no result, counts the money to the cent, and lets the job come to its end."""
    storm = Storm(tmp_path, children, seed)
    for _ in range(rounds):
        kills = [storm.dice.choice([None, 1, 2, 3, 4, 6]) for _ in range(2)]
        storm.run(*kills, asks=3)
        assert storm.problems() == {"lost": [], "paid for otherwise than asked": []}
    storm.run(None)
    assert storm.problems() == {"lost": [], "paid for otherwise than asked": []}
    assert storm.kills > 0
    assert storm.count("asked.log").total() > 0
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [job.status for job in store.jobs()] == ["completed"]
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        assert raw.execute("SELECT cost FROM job_costs").fetchall() == [(0.25 * storm.count("paid.log").total(),)]
