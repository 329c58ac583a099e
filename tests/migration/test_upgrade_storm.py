"""A half-done job of schema 1.0 is killed at random moments of its upgrade and of the work after it, then finished."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, migrate

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

# Opening upgrades. Each call of the work leaves a line.
RUN = program(__file__, "run")


def half_done(path: Path, total: int) -> None:
    """Make a store of schema 1.0 in which every other chunk of a job is done; its other jobs are of a released 1.0."""
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), path)
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=total)
        job.complete_many((index, {"before": index}) for index in range(0, total, 2))
        job.pause()
    migrate(path, to="1.0")


def version(path: Path) -> str:
    """Return the schema version of a store."""
    with closing(sqlite3.connect(path)) as raw:
        (found,) = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


def killed_run(children: Children, total: int, seconds: float, calls: Path | None = None) -> None:
    """Start a run, and kill it a moment after everything is imported, or after its first call of the work."""
    before = calls.stat().st_size if calls is not None and calls.exists() else 0
    process = children.start(RUN, total)
    assert children.next_line(process) == "ready"
    while calls is not None and (not calls.exists() or calls.stat().st_size == before) and process.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    process.wait()


def storm(children: Children, folder: Path, *, total: int, kills: int, seed: int) -> str:
    """Kill upgrades, each of a file of its own; then go on with the last file, killed as often; return the figures."""
    rng = random.Random(seed)
    old, path, calls = folder / "old.db", folder / "talks.db", folder / "calls"
    half_done(old, total)
    versions: Counter[str] = Counter()
    for _ in range(kills):
        for stray in [*folder.glob("talks*"), *folder.glob("calls")]:
            stray.unlink()
        shutil.copy(old, path)
        killed_run(children, total, rng.uniform(0, 2))
        versions[version(path)] += 1
        with CheckpointStore(path) as store:
            assert (store.recovery, store.check(), len(store.jobs())) == (None, [], 4)
            there = dict(store.open_job("talk.srt", total_chunks=total).items())
            assert all(there[index] == {"before": index} for index in range(0, total, 2))
    for _ in range(kills):
        killed_run(children, total, rng.uniform(0, 0.2), calls)
    children.run(RUN, total)
    asked = [int(line) for line in calls.read_text("ascii").splitlines()]
    with CheckpointStore(path) as store:
        assert (store.recovery, store.check()) == (None, [])
        job = store.open_job("talk.srt", total_chunks=total)
        expected = [{"before": index} if index % 2 == 0 else {"now": index} for index in range(total)]
        assert list(job.results()) == expected
        assert job.status == "completed"
    done_asked_again = sum(index % 2 == 0 for index in asked)
    twice = len(asked) - len(set(asked))
    figures = (
        f"chunks={total}, half of them done by 1.0; killed while upgrading: {kills}, the file then had {dict(versions)}; "
        f"killed at work: {kills}; done_asked_again={done_asked_again} skipped={total // 2 - len(set(asked))} "
        f"asked_twice_after_a_kill={twice}"
    )
    assert (done_asked_again, set(asked)) == (0, set(range(1, total, 2))), figures
    assert twice <= 2 * (kills + 1), figures  # two workers had one each in hand
    return figures


@pytest.mark.slow
def test_kills_during_an_upgrade_lose_nothing(children: Children, tmp_path: Path) -> None:
    """A few kills of each kind during an upgrade lose nothing."""
    storm(children, tmp_path, total=200, kills=2, seed=1)


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_many_kills_during_an_upgrade_lose_nothing(children: Children, tmp_path: Path) -> None:
    """Twenty kills during an upgrade, and twenty during the work after it, lose none of 10,000 chunks."""
    print("FIGURES upgrade:", storm(children, tmp_path, total=10_000, kills=20, seed=2))
