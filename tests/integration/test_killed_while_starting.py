"""What a loop with several chunks in flight says of its work: begun is what is handed over, and nothing that only stood ready."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, RunnerReleased
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.loop.executors.workplace import Workplace
from checkpoint_store.storage.runner_lock import RunnerLock, begun_by, runner_lock_paths

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

    from checkpoint_store.storage.records.records import Claim


@pytest.mark.slow_variants
@pytest.mark.parametrize(("shape", "at"), [("map", 12), ("amap", 3)])
def test_a_killed_run_leaves_no_chunk_in_doubt_that_nobody_worked_on(
    tmp_path: Path, children: Children, shape: str, at: int
) -> None:
    """Killed while it starts sixteen chunks: those that were only prepared are just pending, and were not billed."""
    children.run(program(__file__, "killed_while_starting"), shape, at, code=-9)
    worked_on = {int(line) for line in (tmp_path / "worked on").read_text().splitlines()}
    with CheckpointStore(tmp_path / "talks.db", durability="process", state_file=None) as store:
        (job,) = store.jobs()
        in_doubt = {record.chunk_index for record in job.in_doubt_chunks()}
        assert in_doubt == worked_on - {index for index, _ in job.items()}
        assert at not in worked_on


def test_what_begins_together_is_noted_together(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight chunks that begin together are noted as begun in a single write, before the threads have them."""
    noted: list[list[int]] = []
    real = RunnerLock.note_begun

    def note_begun(self: RunnerLock, attempts: list[Claim]) -> bool:
        noted.append([claim.chunk_index for claim in attempts])
        return real(self, attempts)

    monkeypatch.setattr(RunnerLock, "note_begun", note_begun)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)
    job = store.open_job("talk.srt", total_chunks=24)
    assert len(list(job.map(str, workers=8))) == 24
    assert sorted(itertools.chain.from_iterable(noted)) == list(range(24))
    assert noted[0] == list(range(8))


def test_work_that_takes_time_begins_in_small_groups(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen calls end at the same moment, and sixteen follow: a kill leaves in doubt at most the few of one group."""
    noted: list[int] = []
    real = RunnerLock.note_begun
    all_are_there = threading.Barrier(16, timeout=60)

    def note_begun(self: RunnerLock, attempts: list[Claim]) -> bool:
        noted.append(len(attempts))
        return real(self, attempts)

    def work(index: int) -> int:
        time.sleep(0.002)  # the work
        all_are_there.wait()
        return index

    monkeypatch.setattr(RunnerLock, "note_begun", note_begun)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)
    job = store.open_job("talk.srt", total_chunks=64)
    assert len(list(job.map(work, workers=16))) == 64
    first_sixteen = list(itertools.accumulate(noted)).index(16) + 1
    assert (sum(noted), max(noted[first_sixteen:])) == (64, 4)


@pytest.mark.slow_variants
@pytest.mark.parametrize(("seconds", "at_once_max"), [(0.002, 4), (0.0, 16)])
def test_amap_hands_over_few_at_once_where_they_take_time(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, seconds: float, at_once_max: int
) -> None:
    """A kill leaves in doubt at most the few tasks that the event loop has not begun. Quick tasks begin all together."""
    noted: list[int] = []
    real = RunnerLock.note_begun

    def note_begun(self: RunnerLock, attempts: list[Claim]) -> bool:
        noted.append(len(attempts))
        return real(self, attempts)

    async def work(index: int) -> int:
        if seconds:
            await asyncio.sleep(seconds)
        return index

    async def main() -> None:
        async for _ in job.amap(work, workers=16):
            pass

    monkeypatch.setattr(RunnerLock, "note_begun", note_begun)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)
    job = store.open_job("talk.srt", total_chunks=64)
    asyncio.run(main())
    assert (noted[0], sum(noted), max(noted)) == (4, 64, at_once_max)  # how long a task takes is known after the first


def test_no_work_begins_whose_beginning_cannot_be_noted(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner is released by hand between the start of a chunk and its hand-over: the chunks may be others' by then."""
    worked_on: list[int] = []
    real = Workplace.submit

    def submit(self: Workplace, fn: Any, attempt: Any, chunk: int) -> Any:
        if chunk == 5:
            runner_lock_paths(store.path)[0].unlink()
        return real(self, fn, attempt, chunk)

    monkeypatch.setattr(Workplace, "submit", submit)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)
    job = store.open_job("talk.srt", total_chunks=24)
    with pytest.raises(RunnerReleased):
        list(job.map(worked_on.append, workers=8))
    assert worked_on == [index for index, _ in job.items()] == []
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])


def test_an_interrupt_at_the_note_loses_no_started_chunk(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C just behind the write: what stood ready is noted once more, worked on, and recorded."""
    worked_on, interrupts = set[int](), [KeyboardInterrupt()]
    real = RunnerLock.note_begun

    def note_begun(self: RunnerLock, attempts: list[Claim]) -> bool:
        answer = real(self, attempts)
        if interrupts:
            raise interrupts.pop()
        return answer

    monkeypatch.setattr(RunnerLock, "note_begun", note_begun)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)
    job = store.open_job("talk.srt", total_chunks=24)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(worked_on.add, workers=8))
    assert worked_on == {index for index, _ in job.items()} == set(range(8))
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])


def test_the_lock_file_keeps_what_is_begun_however_many_begin_together(tmp_path: Path) -> None:
    """A lock file lists all begun attempts, even if a group fills its room, or says that it cannot tell."""
    lock = RunnerLock(tmp_path / "talks.db")
    for first in range(0, 3200, 16):
        group = [(index, 1) for index in range(first, first + 16)]
        lock.note_begun(group)
        assert set(group) <= (begun_by(lock.path).begun or set())
        for attempt in group[1:]:
            lock.done(*attempt)
        if first >= 1600:
            lock.done(first - 1600, 1)
    assert begun_by(lock.path).begun is not None
    for first in range(5000, 5300, 30):
        lock.note_begun([(index, 1) for index in range(first, first + 30)])
    assert begun_by(lock.path).begun is None
    lock.note_begun([(9000, 1)])
    assert begun_by(lock.path).begun is None
    lock.end()


def test_a_chunk_that_is_tried_again_is_noted_again(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try of a chunk begins anew: killed then, it is in doubt."""
    noted: list[tuple[int, int]] = []
    real = RunnerLock.note_begun

    def note_begun(self: RunnerLock, attempts: list[Claim]) -> bool:
        noted.extend((claim.chunk_index, claim.number) for claim in attempts)
        return real(self, attempts)

    def work(index: int) -> int:
        if index == 1 and (1, 2) not in noted:
            raise ConnectionError
        return index

    monkeypatch.setattr(RunnerLock, "note_begun", note_begun)
    job = store.open_job("talk.srt", total_chunks=3)
    assert len(list(job.map(work, workers=2, wait=0.0))) == 3
    assert sorted(noted) == [(0, 1), (1, 1), (1, 2), (2, 1)]
