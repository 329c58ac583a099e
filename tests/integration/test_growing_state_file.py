"""A large state file grows with its job: it follows within seconds, is whole at every moment, and costs what is new."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StorageFullError
from checkpoint_store.state_file import growing
from checkpoint_store.system import file_exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store import Job

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether anybody reads a file")

RESULT_BYTES = 4000
APART_SECONDS = 6.0
LARGE = 24
"""Chunks that make a state file large."""


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes on by so many seconds when it is told to: writing takes no time, however slow the disk is."""
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def pass_seconds(seconds: float) -> None:
        clock[0] += seconds

    return pass_seconds


def result_of(index: int) -> dict[str, Any]:
    return {"index": index, "text": f"{index:03}ä" * (RESULT_BYTES // 4)}


def work(job: Job, wait: Callable[[float], None], indices: Sequence[int], apart_seconds: float = APART_SECONDS) -> None:
    for index in indices:
        wait(apart_seconds)
        job.complete(index, result_of(index))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talks.json"


@pytest.fixture
def store(path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(path.with_suffix(".db"), durability="process") as store:
        yield store


def shown(path: Path) -> dict[int, Any]:
    return ProcessingState.from_json(path.read_bytes()).results()


def files(path: Path) -> list[int]:
    """The inodes of the state file and the one before."""
    return [path.stat().st_ino, path.with_suffix(".bak").stat().st_ino]


ORDERS = {
    "in order": list(range(60)),
    "eight at a time": sorted(range(60), key=lambda index: index + index * 37 % 8),
    "some late": sorted(range(60), key=lambda index: index + (30 if index % 20 == 7 else 0)),
    "backwards": list(range(60))[::-1],
}
EACH_ORDER = [
    pytest.param(order, marks=pytest.mark.slow if order in ("eight at a time", "backwards") else ()) for order in ORDERS
]


@pytest.mark.slow
@pytest.mark.parametrize("order", EACH_ORDER)
def test_two_files_take_turns_in_whatever_order_chunks_come(
    store: CheckpointStore, path: Path, wait: Callable[[float], None], order: str
) -> None:
    """The state file is whole after each chunk, in any order, and its ``.bak`` lacks the newest chunk alone."""
    job = store.open_job("f", total_chunks=61)
    work(job, wait, ORDERS[order][:LARGE])
    inodes = files(path)
    done = {index: result_of(index) for index in ORDERS[order][:LARGE]}
    for index in ORDERS[order][LARGE:]:
        before = dict(done)
        work(job, wait, [index])
        done[index] = result_of(index)
        assert (shown(path), shown(path.with_suffix(".bak"))) == (done, before)
        inodes.reverse()
        assert files(path) == inodes


@pytest.mark.slow_variants
@pytest.mark.parametrize("order", EACH_ORDER)
def test_an_exact_state_stands_in_the_order_of_the_chunks(
    store: CheckpointStore, path: Path, wait: Callable[[float], None], order: str
) -> None:
    """After a pause, an export and an end the file is the job's state, in whichever order its chunks came."""
    job = store.open_job("f", total_chunks=60)
    work(job, wait, ORDERS[order][:40])
    job.export()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()
    work(job, wait, ORDERS[order][40:50])
    job.pause()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()
    job.resume()
    work(job, wait, ORDERS[order][50:])
    job.finish()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()
    assert json.loads(path.read_bytes())["completed_chunks"] == list(range(60))


def test_a_file_that_somebody_reads_is_not_written_to(
    store: CheckpointStore, path: Path, wait: Callable[[float], None]
) -> None:
    """Whoever opened the state file reads what it was, to its end, however long that takes; and the file goes on."""
    job = store.open_job("f", total_chunks=100)
    work(job, wait, range(LARGE))
    with path.open("rb") as reader:
        was = path.read_bytes()
        start = reader.read(1000)
        work(job, wait, range(LARGE, 60))
        assert start + reader.read() == was
        assert 60 - len(shown(path)) <= 60 / APART_SECONDS + 1
    work(job, wait, range(60, 70))
    assert len(shown(path)) == 70


@pytest.mark.slow_variants
@pytest.mark.parametrize("change", ["replaced", "redone", "renamed config", "deleted .bak", "linked", "touched"])
def test_what_changed_meanwhile_is_in_the_next_file(
    store: CheckpointStore, path: Path, wait: Callable[[float], None], change: str
) -> None:
    """An earlier result that is another one, a file that somebody else changed: the state is that of the store."""
    job = store.open_job("f", total_chunks=100)
    work(job, wait, range(LARGE))
    backup = path.with_suffix(".bak")
    expected = {index: result_of(index) for index in range(40)}
    match change:
        case "replaced":
            job.complete(3, "another", replace=True)
            expected[3] = "another"  # type: ignore[assignment]
        case "redone":
            job.redo([3])
            job.complete(3, "another")
            expected[3] = "another"  # type: ignore[assignment]
        case "renamed config":
            job.set_metadata({"owner": "x" * 9000})
        case "deleted .bak":
            backup.unlink()
        case "linked":
            os.link(backup, path.with_suffix(".copy"))
            copied = backup.read_bytes()
        case "touched":
            text = backup.read_bytes()
            backup.write_bytes(text.replace(b"000", b"999"))
    work(job, wait, range(LARGE, 40), apart_seconds=61.0)
    assert shown(path) == expected
    assert len(shown(backup)) >= 38
    if change == "linked":
        assert path.with_suffix(".copy").read_bytes() == copied
    job.pause()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()


@pytest.mark.slow
def test_a_list_of_chunks_that_outgrows_its_room_gets_more(
    store: CheckpointStore, path: Path, wait: Callable[[float], None]
) -> None:
    """A job of many small chunks: the file follows on."""
    job = store.open_job("f", total_chunks=100_000)
    done = 0
    for count in (1500, 1500, 6000, 500):
        wait(600.0)
        job.complete_many((index, "x" * 40) for index in range(done, done + count))
        done += count
        assert len(shown(path)) == done


def test_a_job_that_grows_is_followed_on(store: CheckpointStore, path: Path, wait: Callable[[float], None]) -> None:
    """More chunks than the list of the completed ones had room for."""
    chunks = [str(index) for index in range(LARGE + 1)]
    work(store.open_job("f", chunks=chunks), wait, range(LARGE))
    chunks += [str(index) for index in range(LARGE + 1, 5000)]
    job = store.open_job("f", chunks=chunks, on_change="extend")
    work(job, wait, range(LARGE, 60))
    assert len(shown(path)) == 60
    job.export()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()


@pytest.mark.slow_variants
@pytest.mark.parametrize("step", ["write", "sync_folder", "end", "keep_previous"])
def test_a_full_disk_leaves_both_files_as_they_were(
    store: CheckpointStore, path: Path, wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever the room ends; and with room the file goes on."""
    job = store.open_job("f", total_chunks=100)
    work(job, wait, range(LARGE))
    job.complete(LARGE, result_of(LARGE))
    before = [one.read_bytes() for one in (path, path.with_suffix(".bak"))]
    calls = [0]

    def full(*_: object) -> None:
        calls[0] += 1
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(file_exchange if hasattr(file_exchange, step) else file_exchange.Rewriting, step, full)
        with pytest.raises(StorageFullError):
            job.export()
    assert calls == [1]
    assert [one.read_bytes() for one in (path, path.with_suffix(".bak"))] == before
    assert not list(path.parent.glob("*.tmp-*"))
    work(job, wait, range(LARGE + 1, 40))
    assert len(shown(path)) == 40
    assert len(shown(path.with_suffix(".bak"))) == 39


def test_a_file_that_another_process_follows_is_left_to_it(
    store: CheckpointStore, path: Path, wait: Callable[[float], None]
) -> None:
    """Two runners on one job do not both write its file; when one ends, the other one goes on within a minute."""
    job = store.open_job("f", total_chunks=200)
    work(job, wait, range(LARGE))
    with CheckpointStore(path.with_suffix(".db"), durability="process") as second:
        other = second.open_job("f", total_chunks=200)
        inodes = set(files(path))
        for index in range(LARGE, 60, 2):
            work(job, wait, [index])
            work(other, wait, [index + 1])
            inodes |= set(files(path))
            assert len(shown(path)) >= index - 2
        assert len(inodes) <= 4
    work(job, wait, range(60, 75))
    assert len(shown(path)) == 75


@pytest.mark.slow
def test_a_file_that_seems_to_be_another_each_time_is_written_now_and_then(
    store: CheckpointStore, path: Path, wait: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some mounts give a file another number each time that it is looked at, as if others wrote it all the time."""
    looks = iter(range(10**6))
    monkeypatch.setattr(growing, "identity", lambda _: file_exchange.Identity(0, next(looks), 0, 0, 0))
    job = store.open_job("f", total_chunks=300)
    for index in range(200):
        work(job, wait, [index])
        assert len(shown(path)) >= (index + 1) * 0.4
    job.pause()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()


def test_the_file_before_goes_when_a_job_of_two_files_ends(
    store: CheckpointStore, path: Path, wait: Callable[[float], None]
) -> None:
    """The ``.bak`` of a large state file goes at the job's end: the state file and the backup have all of it."""
    with store.open_job("f", total_chunks=40) as job:
        work(job, wait, range(40))
        assert path.with_suffix(".bak").exists()
    assert not path.with_suffix(".bak").exists()
    assert ProcessingState.from_json(path.read_bytes()) == job.state()
    assert list(path.parent.glob("talks.db.backup-*"))


def test_opening_a_finished_job_again_writes_nothing(path: Path, wait: Callable[[float], None]) -> None:
    """Opening a finished job again leaves its state file as it is, even with room for more chunks."""
    with CheckpointStore(path.with_suffix(".db")) as store, store.open_job("f", total_chunks=40) as job:
        work(job, wait, range(40))
    before = path.read_bytes()
    with CheckpointStore(path.with_suffix(".db")) as store, store.open_job("f", total_chunks=40) as job:
        assert list(job.pending()) == []
    assert path.read_bytes() == before
    assert not path.with_suffix(".bak").exists()


def test_saving_a_state_costs_what_is_new(path: Path) -> None:
    """StateManager: the file is exact after each save, and .bak the one before; no new file is made."""
    with StateManager(path) as manager:
        state = ProcessingState(job_id="j", file_name="f", status="running", total_chunks=60)
        for index in range(50):
            state = state.replace(
                completed_chunks=[*state.completed_chunks, index],
                processed_results=[*state.processed_results, result_of(index)],
            )
            before = path.read_bytes() if path.exists() else b""
            inodes = set(files(path)) if index > LARGE else set()
            manager.save(state)
            assert shown(path) == dict(enumerate(map(result_of, range(index + 1))))
            if before:
                assert path.with_suffix(".bak").read_bytes() == before
            if inodes:
                assert set(files(path)) == inodes
