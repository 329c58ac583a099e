"""A store that is closed under its loops: what was paid for is recorded, whoever closes it, and from where."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import warnings
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, StorageFullError, StoreBusy, StoreClosed
from checkpoint_store.execution.loops.open_loops import Loops
from checkpoint_store.execution.store import closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Children

    from checkpoint_store import Job

TOTAL = 40
WORKERS = 4


class Service:
    """What chunks are paid at: the first answer comes at once, the others when all places are taken."""

    def __init__(self, workers: int = WORKERS) -> None:
        self.paid: list[int] = []
        self._workers = workers
        self._guard = threading.Lock()
        self.all_at_work = threading.Event()
        self.answers = threading.Event()

    def begin(self, index: int) -> bool:
        """Count a call; return whether it is answered at once."""
        with self._guard:
            self.paid.append(index)
            if len(self.paid) >= self._workers:
                self.all_at_work.set()
            return len(self.paid) == 1

    def __call__(self, index: int) -> int:
        if not self.begin(index):
            assert self.answers.wait(60)
        return index


@pytest.fixture
def service() -> Iterator[Service]:
    """A service whose answers come at the latest when the test is over."""
    made = Service()
    yield made
    made.answers.set()


def answer_soon(service: Service) -> None:
    """Answer when all places are taken and the store is being closed: from another thread, a moment later."""

    def answer() -> None:
        assert service.all_at_work.wait(60)
        threading.Timer(0.2, service.answers.set).start()

    threading.Thread(target=answer).start()


def stored(path: Path) -> list[int]:
    """The chunks that are complete in the file, as another open sees it."""
    with CheckpointStore(path, read_only=True) as reading:
        job = reading.latest_job()
        assert job is not None
        assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])
        return [index for index, _ in job.items()]


# -- who leaves a named iterator


def end_by_break(items: Iterator[Any]) -> None:
    for _ in items:
        break


def end_by_error(items: Iterator[Any]) -> None:
    for _ in items:
        raise LookupError("the caller's own")


def end_by_interrupt(items: Iterator[Any]) -> None:
    for _ in items:
        raise KeyboardInterrupt


def end_by_exit(items: Iterator[Any]) -> None:
    for _ in items:
        raise SystemExit(3)


@pytest.mark.slow_variants
@pytest.mark.parametrize("leave", [end_by_break, end_by_error, end_by_interrupt, end_by_exit])
def test_what_is_in_flight_is_recorded_when_the_with_block_ends(
    leave: Callable[[Iterator[Any]], None], service: Service, tmp_path: Path
) -> None:
    """``items = job.map(…)`` is left early, and still referred to, when the store closes: paid 4, stored 4."""
    answer_soon(service)
    with suppress(LookupError, KeyboardInterrupt, SystemExit), CheckpointStore(tmp_path / "talks.db") as store:
        items = store.open_job("talk.srt", total_chunks=TOTAL).map(service, workers=WORKERS)
        leave(items)
    assert len(service.paid) == WORKERS
    assert stored(tmp_path / "talks.db") == sorted(service.paid)


def test_who_goes_on_with_a_loop_of_a_closed_store_is_told_so(service: Service, tmp_path: Path) -> None:
    """A loop of a closed store raises ``StoreClosed``, whether it had begun or not, and never ends as if done."""
    answer_soon(service)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        items, pending = job.map(service, workers=WORKERS), job.pending()
        next(items)
        kept = next(pending)
        unbegun = [job.map(service), job.pending()]
    for loop in (items, pending, *unbegun):
        with pytest.raises(StoreClosed, match="open it again with CheckpointStore"):
            next(loop)  # type: ignore[call-overload]
    with pytest.raises(StoreClosed):
        kept.complete("x")
    assert len(service.paid) == WORKERS


@pytest.mark.slow
def test_close_from_another_thread_waits_for_what_is_in_flight(service: Service, tmp_path: Path) -> None:
    """The loop, which waits for results at that moment, ends with a clear error."""
    store = CheckpointStore(tmp_path / "talks.db")
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    ends: list[BaseException] = []

    def work() -> None:
        try:
            for _ in job.map(service, workers=WORKERS):
                pass
        except StoreClosed as error:
            ends.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert service.all_at_work.wait(60)
    answer_soon(service)
    store.close()
    assert stored(tmp_path / "talks.db") == sorted(service.paid)
    worker.join(60)
    assert [type(error) for error in ends] == [StoreClosed]


def test_no_loop_begins_while_the_store_is_being_closed(service: Service, tmp_path: Path) -> None:
    """While ``close`` waits for what is in flight, nothing new is paid for."""
    store = CheckpointStore(tmp_path / "talks.db")
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    items = job.map(service, workers=WORKERS)
    next(items)
    assert service.all_at_work.wait(60)
    closer = threading.Thread(target=store.close)
    closer.start()
    wait_until(lambda: store._context.loops._is_closing)
    for loop in (job.map(service), job.pending()):
        with pytest.raises(StoreClosed):
            next(loop)  # type: ignore[call-overload]
    assert not store._context.storage.database.closed
    service.answers.set()
    closer.join(60)
    assert len(service.paid) == WORKERS
    assert stored(tmp_path / "talks.db") == sorted(service.paid)


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, WORKERS])
@pytest.mark.parametrize("nested", [False, True])
def test_close_out_of_the_work_itself_hangs_nobody(*, workers: int, nested: bool, tmp_path: Path) -> None:
    """``close`` within the work of a chunk returns; the store closes once that chunk's result is recorded."""
    path, paid = tmp_path / "talks.db", []
    store = CheckpointStore(path)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    inner = CheckpointStore(tmp_path / "other.db")

    def close(_: int) -> str:
        store.close()
        return "closed"

    def work(index: int) -> int:
        paid.append(index)
        if index == 5:
            if nested:
                other = inner.open_job("other", total_chunks=1)
                assert [item.result for item in other.map(close)] == ["closed"]
            else:
                store.close()
        return index

    with inner, pytest.raises(StoreClosed):
        for _ in job.map(work, workers=workers):
            pass
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store close":
            thread.join(60)
    assert store._context.storage.database.closed
    assert stored(path) == sorted(paid)
    assert 5 in paid


@pytest.mark.slow
def test_a_store_and_its_loop_that_are_garbage_together_lose_nothing(service: Service, tmp_path: Path) -> None:
    """A cycle, as a kept traceback makes it, is collected in any order: what is in flight is recorded before."""
    answer_soon(service)

    def leave() -> None:
        store = CheckpointStore(tmp_path / "talks.db")
        items = store.open_job("talk.srt", total_chunks=TOTAL).map(service, workers=WORKERS)
        try:
            next(items)
            raise LookupError
        except LookupError as error:
            kept = error  # this frame, its store and its iterator refer to each other now
        assert kept

    leave()
    with pytest.warns(ResourceWarning, match="never closed"):
        gc.collect()
    assert stored(tmp_path / "talks.db") == sorted(service.paid)


def test_a_loop_outlives_the_name_of_its_store(tmp_path: Path) -> None:
    """The store is dropped, not closed, in mid-loop: the loop goes on to its end, and closes it properly."""
    store = CheckpointStore(tmp_path / "talks.db")
    items = store.open_job("talk.srt", total_chunks=TOTAL).map(lambda index: index, workers=2)
    first = next(items).index
    del store
    with pytest.warns(ResourceWarning, match="never closed"):
        rest = [item.index for item in items]
    assert sorted([first, *rest]) == list(range(TOTAL))
    assert stored(tmp_path / "talks.db") == list(range(TOTAL))


AT_EXIT = program(__file__, "left_at_exit")


@pytest.mark.slow_variants
@pytest.mark.parametrize("way", ["unfinished", "by an exit", "with an executor", "in another thread"])
def test_a_loop_that_is_left_until_the_process_ends_loses_nothing(way: str, children: Children, tmp_path: Path) -> None:
    """No close, no with: at the end of the interpreter what is in flight is waited for, and recorded."""
    paid = children.run(AT_EXIT, way).split()
    assert [int(index) for index in paid] == stored(tmp_path / "talks.db")
    assert len(paid) >= WORKERS


@pytest.mark.slow
def test_processes_that_are_at_work_when_the_store_closes_lose_nothing(children: Children, tmp_path: Path) -> None:
    """A pool of processes is waited for as threads are."""
    children.run(program(__file__, "left_pool"))
    paid = sorted(int(path.name.removeprefix("paid-")) for path in tmp_path.glob("paid-*"))
    assert stored(tmp_path / "talks.db") == paid
    assert 2 <= len(paid) <= 4


@pytest.mark.slow_variants
@pytest.mark.parametrize("whose", ["this thread's", "another thread's"])
def test_ctrl_c_ends_the_waiting_of_close(whose: str, children: Children, tmp_path: Path) -> None:
    """Who does not want to wait for what is in flight need not: it is in doubt then, and the process ends."""
    process = children.start(program(__file__, "interrupt_close"), whose)
    assert children.next_line(process) == "closing"
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(children.next_line(process)))
    reader.start()
    while reader.is_alive():  # one that comes before the waiting begins is noted only; the next one ends it
        process.send_signal(signal.SIGINT)
        reader.join(0.3)
    assert said == ["interrupted"]
    assert process.wait(60) in (0, 1, -signal.SIGINT)  # one more may have come at its end
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as reading:
        job = reading.latest_job()
        assert job is not None
        assert {0, 1} <= {index for index, _ in job.items()} | {one.chunk_index for one in job.in_doubt_chunks()}


# -- asyncio


def amap_left(job: Job, service: Service, leave: Callable[[], None]) -> Any:
    async def call(index: int) -> int:
        if not service.begin(index):
            await asyncio.to_thread(service.answers.wait, 60)
        return index

    async def go() -> None:
        items = job.amap(call, workers=WORKERS)
        async for _ in items:
            await asyncio.to_thread(service.all_at_work.wait, 60)
            answer_soon(service)
            leave()

    return go()


@pytest.mark.slow
def test_an_amap_that_is_left_without_aclosing_loses_nothing(service: Service, tmp_path: Path) -> None:
    """An ``amap`` that is left early loses no paid call at the end of its ``with`` block or of ``asyncio.run``."""

    def leave() -> None:
        raise LookupError("the caller's own")

    async def main() -> None:
        with CheckpointStore(tmp_path / "talks.db") as store:
            await amap_left(store.open_job("talk.srt", total_chunks=TOTAL), service, leave)

    with pytest.raises(LookupError):
        asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store close":
            thread.join(60)
    assert len(service.paid) == WORKERS
    assert stored(tmp_path / "talks.db") == sorted(service.paid)


def test_close_in_the_event_loop_does_not_hang_it(service: Service, tmp_path: Path) -> None:
    """``close`` in the event loop returns at once, and the store closes when the loop's own work is done."""

    async def main() -> None:
        store = CheckpointStore(tmp_path / "talks.db")
        with pytest.raises(StoreClosed):
            await amap_left(store.open_job("talk.srt", total_chunks=TOTAL), service, store.close)

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store close":
            thread.join(60)
    assert stored(tmp_path / "talks.db") == sorted(service.paid)


def test_a_store_that_is_dropped_while_it_closes_is_no_forgotten_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A store that was closed in its event loop, and is dropped before that is done, gets no warning "never closed"."""
    goes_on, really = threading.Event(), closing._close
    monkeypatch.setattr(Loops, "would_deadlock", True)
    monkeypatch.setattr(closing, "_close", lambda *arguments: (goes_on.wait(60), really(*arguments)))
    store = CheckpointStore(tmp_path / "talks.db")
    store.close()
    assert not store._open.reading.closed
    gone = weakref.ref(store)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        del store
    assert gone() is None
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store close":
            thread.join(60)
    assert given == []


def test_a_store_that_cannot_close_where_nobody_waits_for_it_warns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``close`` has returned to a handler or an event loop: a warning says the error, and no traceback does."""

    def busy(*_: object) -> None:
        raise StoreBusy(tmp_path / "talks.lock", 10.0, "another process")

    store = CheckpointStore(tmp_path / "talks.db")
    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        patched.setattr(Loops, "would_deadlock", True)
        patched.setattr(closing, "_close", busy)
        store.close()
        for thread in threading.enumerate():
            if thread.name == "checkpoint-store close":
                thread.join(60)
    store.close()
    assert [warning.category for warning in given] == [RuntimeWarning]
    assert "kept locked by another process" in str(given[0].message)


def test_what_a_closed_event_loop_left_behind_is_in_doubt_and_waited_for_by_nobody(tmp_path: Path) -> None:
    """Nobody will ever finish those calls: ``close`` returns, and the store says which they were."""
    paid: list[int] = []
    kept: list[Any] = []
    both = asyncio.Event()

    async def call(index: int) -> int:
        paid.append(index)
        if len(paid) > 1:
            both.set()
        await asyncio.sleep(0 if index == 0 else 3600)
        return index

    async def main(job: Job) -> None:
        kept.append(job.amap(call, workers=2))
        assert (await anext(kept[0])).index == 0
        await both.wait()

    loop = asyncio.new_event_loop()
    store = CheckpointStore(tmp_path / "talks.db")
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    loop.run_until_complete(main(job))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    store.close()
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as reading:
        again = reading.job(job.job_id)
        done = [index for index, _ in again.items()]
        assert sorted(done + [chunk.chunk_index for chunk in again.in_doubt_chunks()]) == sorted(paid)
        assert 0 in done


# -- what cannot be recorded


def test_what_cannot_be_recorded_is_said_chunk_by_chunk(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the end: the error of ``close`` names the chunks that were paid for and are not in the store."""
    store = CheckpointStore(tmp_path / "talks.db")
    items = store.open_job("talk.srt", total_chunks=TOTAL).map(service, workers=WORKERS)
    first = next(items).index
    assert service.all_at_work.wait(60)

    def full(*_: object) -> None:
        raise StorageFullError(str(store.path), "No space left on device", 0)

    monkeypatch.setattr(store._context.storage.group_commit, "submit", full)
    service.answers.set()
    with pytest.raises(StorageFullError) as caught:
        store.close()
    left = ", ".join(str(index) for index in sorted(service.paid) if index != first)
    assert any(f"The results of chunks {left} of job" in note for note in caught.value.__notes__)
    assert store._context.storage.database.closed


@pytest.mark.slow
def test_what_cannot_be_recorded_when_the_process_ends_is_said_too(children: Children) -> None:
    """Nobody is there any more who could catch an error: it is a warning."""
    process = children.start(AT_EXIT, "with a full disk")
    _, said = process.communicate(timeout=120)
    assert "The results of chunks " in said, said
