"""Chunks that are done again on one machine, merged into the store of another one: no answer is paid for twice."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, Job, MergeReport

if TYPE_CHECKING:
    from pathlib import Path

CHUNKS = ["one", "two", "three"]


def _run(path: Path, says: str, **options: Any) -> None:
    """Do what is left; an answer ends with ``says``, and costs a quarter."""
    with CheckpointStore(path, state_file=None) as store:
        store.map(lambda text: {"text": text + says, "cost": 0.25}, CHUNKS, file_name="talk.txt", **options)


def _redo(path: Path, *chunks: int) -> None:
    with CheckpointStore(path, state_file=None) as store:
        store.job("talk.txt").redo(chunks)


def _merge(path: Path, other: Path) -> MergeReport:
    with CheckpointStore(path, state_file=None) as store:
        report = store.merge(other)
        assert store.check() == []
    return report


def _texts(job: Job) -> list[str]:
    return [result["text"] for result in job.results()]


def _spent(path: Path) -> float:
    with closing(sqlite3.connect(path)) as connection:
        (cost,) = connection.execute("SELECT cost FROM job_costs").fetchone()
    return float(cost)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with a whole job."""
    path = tmp_path / "home.db"
    _run(path, " 1")
    return path


@pytest.fixture
def away(home: Path) -> Path:
    """Where a copy of it goes, on another machine."""
    return home.with_name("away.db")


@pytest.mark.parametrize("asked", ["at home", "away"])
def test_a_chunk_that_was_done_again_elsewhere_is_done_again_here(home: Path, away: Path, asked: str) -> None:
    """The new result takes the place of the earlier one, wherever the redo was asked for, and both costs count once."""
    if asked == "at home":
        _redo(home, 1)
    shutil.copy(home, away)
    if asked == "away":
        _redo(away, 1)
    _run(away, " 2")
    for done_again in (1, 0):
        (merged,) = _merge(home, away).jobs
        assert (merged.done_again_chunks, merged.contradictions, merged.remaining_chunks) == (done_again, (), 0)
    with CheckpointStore(home, read_only=True) as store:
        job = store.job("talk.txt")
        assert (_texts(job), job.status, job.summary().replaced_cost) == (
            ["one 1", "two 2", "three 1"],
            "completed",
            0.25,
        )
    assert _spent(home) == _spent(away) == 1.0


def test_the_same_answer_again_is_an_answer(home: Path, away: Path) -> None:
    """A redo whose new result equals the earlier one is done, and what both cost is counted."""
    _redo(home, 1)
    shutil.copy(home, away)
    _run(away, " 1")
    assert "1 done again there; complete" in str(_merge(home, away))
    assert (_spent(home), _merge(home, away).jobs[0].same_chunks) == (1.0, 3)


def test_an_older_copy_takes_nothing_back(home: Path, away: Path) -> None:
    """The result that was replaced here is no contradiction, and the new one stays."""
    shutil.copy(home, away)
    _redo(home, 1)
    _run(home, " 2")
    (merged,) = _merge(home, away).jobs
    assert (merged.same_chunks, merged.contradictions, merged.done_again_chunks) == (3, (), 0)
    with CheckpointStore(home, read_only=True) as store:
        assert _texts(store.job("talk.txt"))[1] == "two 2"
    assert _spent(home) == 1.0


def test_what_another_machine_did_by_itself_is_no_answer_to_a_redo(home: Path, away: Path) -> None:
    """Two results of which neither replaced the other contradict each other, and the chunk stays to be done again."""
    _run(away, " 2")
    _redo(home, 1)
    (merged,) = _merge(home, away).jobs
    assert (merged.contradictions, merged.done_again_chunks, merged.remaining_chunks) == ((0, 1, 2), 0, 1)


def test_a_sequential_job_keeps_its_own(tmp_path: Path) -> None:
    """A later result may have been made from the one that was replaced: the chunk is named, and nothing is mixed."""
    home, away = tmp_path / "home.db", tmp_path / "away.db"
    _run(home, " 1", sequential=True)
    shutil.copy(home, away)
    _redo(away, 2)
    _run(away, " 2", sequential=True)
    (merged,) = _merge(home, away).jobs
    assert (merged.contradictions, merged.done_again_chunks) == ((2,), 0)
    with CheckpointStore(home, read_only=True) as store:
        assert _texts(store.job("talk.txt")) == ["one 1", "two 1", "three 1"]
