"""Shards whose processes are killed, and merges that are killed: every result that was paid for is there in the end."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program, wait_until
from migration import make_dump

from checkpoint_store import CheckpointStore, SchemaTooNew

from .shard_tools import CHUNKS, NAME, clean, contents, rows, shard

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


MOMENTS = [
    ("copying", 0),
    ("upgrading", 0),
    ("recording", 0),
    ("recording", 3),
    ("recording", 12),
    ("attempts", 2),
    ("facts", 0),
    ("facts", 1),
    ("between", 0),
    ("between", 1),
]


def two_stores(folder: Path) -> tuple[Path, Path]:
    """Two shards; the second store has two more jobs."""
    one, two = shard(folder / "one", range(4)), shard(folder / "two", range(4, 12))
    with CheckpointStore(two) as store:
        store.map(clean, CHUNKS[:5], file_name="second.txt")
        store.map(clean, CHUNKS[:3], file_name="third.txt")
    return one, two


@pytest.mark.slow_variants
@pytest.mark.parametrize(("moment", "times"), MOMENTS)
def test_a_killed_merge_is_made_again(tmp_path: Path, children: Children, moment: str, times: int) -> None:
    """Killed at any moment and called again, the outcome is that of a merge that nobody killed; nothing is left over."""
    one, two = two_stores(tmp_path)
    shutil.copytree(one.parent, tmp_path / "undisturbed")
    untouched = contents(two)
    children.run(program(__file__, "merge_killed"), one, two, moment, times, code=-signal.SIGKILL)
    with CheckpointStore(one) as store:
        assert store.check() == []
        store.merge(two)
        assert store.check() == []
    with CheckpointStore(tmp_path / "undisturbed" / "talks.db") as store:
        store.merge(two)
    assert contents(one) == contents(tmp_path / "undisturbed" / "talks.db")
    assert contents(two) == untouched
    assert [path.name for path in one.parent.iterdir() if ".tmp-" in path.name] == []


@pytest.mark.slow
def test_shards_of_killed_processes_are_merged(tmp_path: Path, children: Children) -> None:
    """The stores of two killed machines merge, WAL included, and no chunk with a recorded result is paid again."""
    paid: Counter[str] = Counter()
    stores = []
    for name, first, last in (("one", 0, 6), ("two", 6, 12)):
        (tmp_path / name).mkdir()
        stores.append(tmp_path / name / "talks.db")
        worker = children.start(program(__file__, "work_on_shard"), stores[-1], first, last)
        paid.update(children.next_line(worker) for _ in range(4))
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        paid.update(worker.stdout.read().split("\n")[:-1])
    recorded = [
        text for path in stores for (index,) in rows(path, "SELECT chunk_index FROM completed_chunks")
        for text in [CHUNKS[index]]
    ]  # fmt: skip
    assert len(recorded) >= 4
    target = tmp_path / "all.db"
    with CheckpointStore(target) as store:
        for path in (*stores, *reversed(stores)):
            store.merge(path)
        job = store.job(NAME)
        again: list[str] = []
        results = store.map(lambda text: again.append(text) or clean(text), CHUNKS, file_name=NAME)
        assert results == [clean(text) for text in CHUNKS]
        assert (job.status, store.check()) == ("completed", [])
    assert set(again) & set(recorded) == set()
    assert len(again) + len(recorded) == len(CHUNKS)


@pytest.mark.slow
def test_a_store_whose_log_came_without_its_index_is_merged(tmp_path: Path, children: Children) -> None:
    """A store and its WAL that were copied from a dead machine are read whole: the newest results are in the WAL."""
    (tmp_path / "one").mkdir()
    path = tmp_path / "one" / "talks.db"
    worker = children.start(program(__file__, "work_on_shard"), path, 0, 12)
    for _ in range(5):
        children.next_line(worker)
    worker.kill()
    worker.wait()
    (tmp_path / "home").mkdir()
    home = tmp_path / "home" / "talks.db"
    for ending in ("", "-wal"):
        shutil.copy(f"{path}{ending}", f"{home}{ending}")
    before = {one.name: one.read_bytes() for one in home.parent.iterdir()}
    with CheckpointStore(tmp_path / "all.db") as store:
        (merged,) = store.merge(home).jobs
        assert merged.added_chunks >= 4
    assert {one.name: one.read_bytes() for one in home.parent.iterdir()} == before


@pytest.mark.slow
def test_a_store_in_use_is_merged_and_merged_again_later(tmp_path: Path, children: Children) -> None:
    """The other machine works on meanwhile: a second merge takes what came since, and the attempts get their ends."""
    (tmp_path / "one").mkdir()
    path, target = tmp_path / "one" / "talks.db", tmp_path / "all.db"
    worker = children.start(program(__file__, "work_on_shard"), path, 0, 12)
    for _ in range(3):
        children.next_line(worker)
    with CheckpointStore(target, state_file=None) as store:
        first = store.merge(path).added_chunks
        children.finish(worker)
        second = store.merge(path).added_chunks
        assert (first >= 2, first + second) == (True, 12)
        assert store.job(NAME).status == "completed"
    assert rows(target, "SELECT outcome, count(*) FROM attempts GROUP BY 1") == [("completed", 12)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", sorted(make_dump.DUMPS.glob("*.sql")), ids=lambda dump: dump.stem)
def test_a_store_of_an_older_schema_is_merged(dump: Path, tmp_path: Path) -> None:
    """Another machine may have an older version of this library: its store stays as it is, and all of it is taken."""
    old = tmp_path / "old" / "talks.db"
    old.parent.mkdir()
    make_dump.load(dump.read_text(encoding="utf-8"), old)
    before = old.read_bytes()
    with CheckpointStore(tmp_path / "all.db") as store:
        report = store.merge(old)
        assert sum(job.added_chunks for job in report.jobs) == rows(old, "SELECT count(*) FROM completed_chunks")[0][0]
        assert store.check() == []
        job = make_dump.open_lecture(store)
        assert [chunk.index for chunk in job.pending()] == [2, 4]
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["talks.db"]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """The error names both schemas, and nothing is changed."""
    one, two = shard(tmp_path / "one", range(4)), shard(tmp_path / "two", range(4, 12))
    with closing(sqlite3.connect(two)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '99.0'")
    before = contents(one)
    with CheckpointStore(one) as store, pytest.raises(SchemaTooNew, match=r"99\.0"):
        store.merge(two)
    assert contents(one) == before


@pytest.mark.slow
def test_a_merge_beside_a_loop_that_works(tmp_path: Path, children: Children) -> None:
    """A loop of this store goes on meanwhile; it pays for no chunk that the merge brought, and the job is completed."""
    one, two = tmp_path / "one" / "talks.db", shard(tmp_path / "two", range(6, 12))
    one.parent.mkdir()
    worker = children.start(program(__file__, "work_on_shard"), one, 0, 12)
    for _ in range(2):
        children.next_line(worker)
    with CheckpointStore(one, state_file=None) as store:
        store.merge(two)
        children.finish(worker)
        wait_until(lambda: store.job(NAME).status == "completed")
        assert (list(store.job(NAME).results()), store.check()) == ([clean(text) for text in CHUNKS], [])


@pytest.mark.storm
@pytest.mark.parametrize("seed", range(12))
def test_a_storm_of_killed_shards_and_killed_merges(tmp_path: Path, children: Children, seed: int) -> None:
    """Three machines with overlapping shards are killed and started again at random, and so are the merges, in random
    order: in the end each recorded result is there, each attempt once, and the money is what was paid.
    """
    chance = random.Random(seed)
    stores = []
    for name, first, last in (("one", 0, 6), ("two", 3, 9), ("three", 8, 12)):
        (tmp_path / name).mkdir()
        stores.append(tmp_path / name / "talks.db")
        for _ in range(chance.randrange(1, 3)):
            worker = children.start(program(__file__, "work_on_shard"), stores[-1], first, last)
            lines = chance.randrange(1, 5)
            assert worker.stdout is not None
            for _ in range(lines):
                worker.stdout.readline()
            worker.kill()
            worker.wait()
    target = tmp_path / "all" / "talks.db"
    target.parent.mkdir()
    for _ in range(6):
        moment, times = chance.choice(MOMENTS)
        worker = children.start(program(__file__, "merge_killed"), target, chance.choice(stores), moment, times)
        worker.communicate(timeout=120)
        assert worker.returncode in (0, -signal.SIGKILL)
    done = {
        (path, index)
        for path in stores
        for (index,) in rows(path, "SELECT chunk_index FROM completed_chunks")
    }  # fmt: skip
    with CheckpointStore(target) as store:
        for path in chance.sample(stores * 2, 6):
            assert store.merge(path).contradictions == ()
        job = store.job(NAME)
        assert dict(job.items()) == {index: clean(CHUNKS[index]) for _, index in done}
        assert store.check() == []
    assert rows(target, "SELECT count(*) FROM attempts WHERE outcome = 'completed'") == [(len(done),)]
    assert rows(target, "SELECT cost FROM job_costs") == [(0.25 * len({index for _, index in done}),)]
    assert [path.name for path in target.parent.iterdir() if ".tmp-" in path.name] == []
