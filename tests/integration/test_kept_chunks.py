"""A loop that would wait for a chunk which its own thread, or its own work, took by ``pending()`` and kept."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, Job, JobPaused

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Opener

CHUNKS = list("abcd")


class Keeper:
    """Takes one chunk of a job by ``pending()``, and keeps it: the chunk alone, or its loop, too."""

    def __init__(self, job: Job, *, keeps_loop: bool) -> None:
        self.job, self.keeps_loop = job, keeps_loop
        self.kept: list[Any] = []

    def __call__(self, *_: object) -> float:
        if not self.kept:
            loop = self.job.pending()
            self.kept = [next(loop), *([loop] if self.keeps_loop else [])]
        return 0.0


class Submitting(Executor):
    """An executor that does the work where it is submitted, after another call."""

    def __init__(self, first: Callable[[], object]) -> None:
        self.first = first

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.first()
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def failing_once() -> Callable[[str], str]:
    """Work that fails at its first call."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        if len(calls) == 1:
            raise ValueError(text)
        return text

    return work


WAYS: dict[str, Callable[[Keeper], dict[str, Any]]] = {
    "submit": lambda keep: {"executor": Submitting(keep)},
    "a maker": lambda keep: {"executor": lambda: (keep(), Submitting(int))[1]},
    "wait": lambda keep: {"wait": keep},
    "cost": lambda keep: {"cost": keep, "max_cost": 9},
    "on_event": lambda keep: {"on_event": keep},
    "stop_when": lambda keep: {"stop_when": keep},
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("keeps_loop", [True, False])
def test_a_loop_ends_that_would_wait_for_its_own_thread(open_store: Opener, way: str, *, keeps_loop: bool) -> None:
    """Of another store object: its claim stands. The loop does the other chunks, and the error says what was kept."""
    job = open_store().open_job("talk.srt", chunks=CHUNKS)
    keep = Keeper(open_store().job(job.job_id), keeps_loop=keeps_loop)
    with pytest.raises(JobPaused, match="1 chunk left") as raised:
        list(job.map(failing_once(), **({"wait": 0} | WAYS[way](keep))))
    index = keep.kept[0].index
    assert [f"1 chunk of pending(), from chunk {index} on, were kept" in note for note in raised.value.__notes__] == [
        True
    ]
    keep.kept[0].complete("by hand")
    assert list(job.map(str.upper)) == []
    assert job.status == "completed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_loop_ends_that_would_wait_for_its_own_work(store: CheckpointStore, workers: int) -> None:
    """The work has returned, and the chunk that it took is still kept; the other chunks are done."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    keep = Keeper(job, keeps_loop=True)

    def work(text: str) -> str:
        keep()
        return text

    with pytest.raises(JobPaused, match="1 chunk left"):
        list(job.map(work, workers=workers))
    assert job.progress().completed_chunks == 3


@pytest.mark.timeout(60)
def test_a_loop_waits_for_a_chunk_that_work_in_hand_took(store: CheckpointStore, open_store: Opener) -> None:
    """Work may take more chunks of its job and complete them; another loop waits for them while the work goes on."""
    job, other = store.open_job("talk.srt", chunks=CHUNKS), open_store().job("talk.srt")
    taken, waits = threading.Event(), threading.Event()

    def work(text: str) -> str:
        more = list(job.pending())
        taken.set()
        assert waits.wait(60)
        for chunk in more:
            chunk.complete("by hand")
        return text

    thread = threading.Thread(target=lambda: list(job.map(work)))
    thread.start()
    assert taken.wait(60)
    looks: list[None] = []

    def looked() -> bool:
        looks.append(None)
        if len(looks) == 5:
            waits.set()
        return False

    assert list(other.map(str, stop_when=looked)) == []
    thread.join(60)
    assert (job.status, job.result(0), job.result(3)) == ("completed", "a", "by hand")
