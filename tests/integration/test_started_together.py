"""Chunks that a loop of several workers starts together are handed over together, and no chunk waits for anything else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.loop.executors.futures import LockFreeFuture
from checkpoint_store.loop.executors.local import Threads
from checkpoint_store.loop.executors.workplace import Workplace
from checkpoint_store.loop.gates.gates import Gates
from checkpoint_store.loop.recording import Recorder
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from checkpoint_store import CheckpointStore
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.model.attempt import Attempt

TOTAL = 8


@pytest.fixture(autouse=True)
def claimed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """All chunks are claimed at once, however slow the disk is: no claim comes between two starts."""
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)


class Began:
    """Work that says when its first chunk began; :meth:`wait` is what may take long between two starts.

    ``before`` says how often it is called before the first chunk is started.
    """

    def __init__(self, before: int = 1) -> None:
        self._first = threading.Event()
        self._before = before
        self.waits = 0
        self.was_kept_waiting = False

    def work(self, index: int) -> int:
        self._first.set()
        return index

    def wait(self, *_: object) -> bool:
        """Wait until the first chunk is worked on, if it was started. False, as what ``stop_when`` returns."""
        self.waits += 1
        if self.waits > self._before and not self._first.wait(60):
            self.was_kept_waiting = True
        return False


class Loaded(Sequence[int]):
    """Chunks that are loaded when they are asked for."""

    def __init__(self, began: Began) -> None:
        self._began = began
        self.is_read = False

    def __len__(self) -> int:
        return TOTAL

    def __getitem__(self, index: Any) -> Any:
        if self.is_read and index < TOTAL:
            self._began.wait()
        return range(TOTAL)[index]


def test_what_starts_together_is_handed_over_together(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that start together are handed to the threads together, up to a chunk for each worker."""
    bursts: list[int] = []
    hand_over = Threads.hand_over

    def noted(self: Threads) -> None:
        bursts.append(len(self._held))
        hand_over(self)

    monkeypatch.setattr(Threads, "hand_over", noted)
    job = store.open_job("talk.srt", total_chunks=64)
    assert {item.index for item in job.map(str, workers=8)} == set(range(64))
    assert (sum(bursts), max(bursts)) == (64, 8)


@pytest.mark.slow_variants
@pytest.mark.parametrize(("option", "before"), [("on_event", 1), ("stop_when", 2), ("tokens", 1)])
def test_a_function_of_the_caller_keeps_no_started_chunk_waiting(
    store: CheckpointStore, option: str, before: int
) -> None:
    """A slow function of the caller, such as ``on_event``, keeps no started chunk waiting."""
    began = Began(before)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    options: dict[str, Any] = {option: began.wait}
    if option == "tokens":
        options |= {"max_tokens_per_minute": 1e9, "tokens": lambda chunk: 1 + began.wait(chunk)}
    assert {item.index for item in job.map(began.work, workers=4, **options)} == set(range(TOTAL))
    assert (began.waits >= TOTAL, began.was_kept_waiting) == (True, False)


def test_loading_a_chunk_keeps_no_started_chunk_waiting(store: CheckpointStore) -> None:
    """The chunks are a sequence of the caller's, which reads each one when it is asked for."""
    began = Began()
    chunks = Loaded(began)
    job = store.open_job("talk.srt", chunks=chunks)
    chunks.is_read = True
    assert {item.index for item in job.map(began.work, workers=4)} == set(range(TOTAL))
    assert (began.waits >= TOTAL, began.was_kept_waiting) == (True, False)


def test_identifying_a_chunk_keeps_no_started_chunk_waiting(store: CheckpointStore) -> None:
    """The function that makes what identifies a chunk is the caller's."""
    began = Began()
    is_open = False

    def identify(chunk: int) -> str:
        if is_open:
            began.wait()
        return str(chunk)

    job = store.open_job("talk.srt", chunks=list(range(TOTAL)), fingerprint=identify)
    is_open = True
    assert {item.index for item in job.map(began.work, workers=4)} == set(range(TOTAL))
    assert (began.waits >= TOTAL, began.was_kept_waiting) == (True, False)


def test_a_claim_keeps_no_started_chunk_waiting(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claiming the next chunk may wait for other processes, while the chunk before is worked on."""
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 1)
    monkeypatch.setattr(Gates, "free_places", lambda *_: 1)
    began = Began()
    real: Callable[..., Any] = ClaimStorage.claim

    def claim(self: ClaimStorage, request: Any) -> Any:
        began.wait()
        return real(self, request)

    monkeypatch.setattr(ClaimStorage, "claim", claim)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    assert {item.index for item in job.map(began.work, workers=4)} == set(range(TOTAL))
    assert (began.waits >= TOTAL, began.was_kept_waiting) == (True, False)


def test_an_interrupt_between_two_starts_loses_no_started_chunk(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks that were started, and not handed over, are worked on and recorded before the loop ends."""
    real = ChunkQueue.start

    def start(self: ChunkQueue, chunk: ClaimedChunk) -> None:
        if chunk.index == 3:
            raise KeyboardInterrupt
        real(self, chunk)

    monkeypatch.setattr(ChunkQueue, "start", start)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(str, workers=8))
    assert [index for index, _ in job.items()] == [0, 1, 2]
    assert job.remaining() == [range(3, TOTAL)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("give", [lambda: None, lambda: ThreadPoolExecutor(4)], ids=["ours", "theirs"])
def test_an_interrupt_just_behind_a_start_leaves_no_chunk_to_be_paid_for_twice(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, give: Callable[[], Executor | None]
) -> None:
    """The executor has the chunk, and nobody will see its result: its work does not begin, or it is in doubt."""
    real, worked_on = Workplace.submit, list[int]()

    def submit(self: Workplace, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Future[Any]:
        future = real(self, fn, attempt, chunk)
        if chunk == 3:
            raise KeyboardInterrupt
        return future

    def work(index: int) -> str:
        worked_on.append(index)
        return str(index)

    monkeypatch.setattr(Workplace, "submit", submit)
    job, executor = store.open_job("talk.srt", total_chunks=TOTAL), give()
    with pytest.raises(KeyboardInterrupt):
        list(job.map(work, workers=8, executor=executor))
    if executor is not None:
        executor.shutdown()
    assert [index for index, _ in job.items()] == [0, 1, 2]
    in_doubt = [attempt.chunk_index for attempt in job.attempts() if attempt.outcome == "abandoned"]
    assert (sorted(worked_on), in_doubt) == (([0, 1, 2], []) if executor is None else ([0, 1, 2, 3], [3]))


@pytest.mark.slow_variants
@pytest.mark.parametrize(("of", "place"), [(LockFreeFuture, "result"), (Recorder, "_success"), (Recorder, "record")])
def test_an_interrupt_between_the_end_of_a_chunk_and_its_recording_loses_no_result(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, of: type, place: str
) -> None:
    """What has ended is settled once more while the loop ends; so no chunk that was worked on is in doubt."""
    real, interrupts, worked_on = getattr(of, place), [KeyboardInterrupt()], set[int]()

    def interrupted(self: Any, *args: Any) -> Any:
        if interrupts and worked_on:
            raise interrupts.pop()
        return real(self, *args)

    monkeypatch.setattr(of, place, interrupted)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(worked_on.add, workers=4))
    assert ({index for index, _ in job.items()}, interrupts) == (worked_on, [])
    assert {attempt.outcome for attempt in job.attempts()} <= {"completed"}
