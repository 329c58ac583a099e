"""Loops wait in the body of their caller while their plan is edited and the edit undone: no chunk is paid for twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.loops.open_loops import RunningLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checkpoint_store import Job

STEPS: Final = ("begin", "begin", "go on", "go on", "go on", "go on", "end", "open again")


class Program:
    """One program that opens plans of a file, and goes on with any of its loops; before that it opens the loop's plan."""

    store: CheckpointStore

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.random = path, random.Random(seed)
        self.paid: Counter[str] = Counter()
        self.seconds = self.random.choice([0.0, 0.0, 0.001, 0.004])
        chunks = [f"text {number}" for number in range(self.random.choice([6, 20, 60]))]
        self.plans = [chunks, [*chunks[:-1], "x"], chunks[: len(chunks) // 2], [*chunks, "y", "z"], chunks[::-1]]
        self.loops: list[tuple[int, Iterator[object]]] = []
        self.opened: int | None = None
        self._guard = threading.Lock()

    def work(self, text: str) -> str:
        with self._guard:
            self.paid[text] += 1
        time.sleep(self.seconds)
        return text

    def by_hand(self, job: Job) -> Iterator[object]:
        for chunk in job.pending():
            chunk.complete(self.work(chunk.data))
            yield chunk.index

    def loop(self, job: Job) -> Iterator[object]:
        makers: list[Callable[[], Iterator[object]]] = [
            lambda: job.map(self.work, on_pause="return"),
            lambda: job.map(self.work, workers=4, on_pause="return"),
            lambda: job.map(self.work, workers=4, ordered=True, on_pause="return"),
            lambda: self.by_hand(job),
        ]
        return self.random.choice(makers)()

    def open(self, plan: int) -> Job:
        self.opened = plan
        return self.store.open_job("talk.txt", chunks=self.plans[plan], on_change="reuse")

    def step(self) -> None:
        kind = self.random.choice(STEPS)
        if kind == "begin":
            plan = self.random.randrange(len(self.plans))
            self.loops.append((plan, self.loop(self.open(plan))))
        elif kind == "open again":
            self.store.close()
            self.loops.clear()
            self.store, self.opened = self.open_store(), None
        elif self.loops:
            number = self.random.randrange(len(self.loops))
            plan, loop = self.loops[number]
            if plan != self.opened:
                self.open(plan)
            count = self.random.choice([1, 2, 5, 15, 1000]) if kind == "go on" else 0
            if sum(1 for _ in zip(range(count), loop, strict=False)) < count or not count:
                end: Any = self.loops.pop(number)[1]
                end.close()

    def open_store(self) -> CheckpointStore:
        return CheckpointStore(self.path, state_file=None, durability="process")

    def work_off(self) -> None:
        for _ in range(self.random.randint(5, 25)):
            self.step()
        for _, loop in self.loops:
            end: Any = loop
            end.close()
        job = self.open(0)
        list(job.map(self.work))
        assert job.status == "completed"

    def run(self) -> dict[str, int]:
        """Return the texts that were paid for more than once, and how often."""
        self.store = self.open_store()
        try:
            self.work_off()
        finally:
            self.store.close()
        return {text: count for text, count in self.paid.items() if count > 1}


def storm(folder: Path, programs: int, seed: int) -> dict[int, dict[str, int]]:
    """Return what each program paid for more than once, by its seed."""
    ends = {number: Program(folder / f"{number}.db", number).run() for number in range(seed, seed + programs)}
    return {number: twice for number, twice in ends.items() if twice}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_chunk_is_paid_for_twice(tmp_path: Path) -> None:
    """Over a few random programs."""
    assert storm(tmp_path, 12, 0) == {}


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_chunk_is_paid_for_twice_long(tmp_path: Path) -> None:
    """Over many random programs."""
    assert storm(tmp_path, 600, 0) == {}


class Held(Program):
    """A program in which every call but the first is in flight until the program has opened the other plan."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0)
        self.in_flight, self.has_opened = threading.Event(), threading.Event()

    def work(self, text: str) -> str:
        super().work(text)
        if text != self.plans[0][0]:
            self.in_flight.set()
            self.has_opened.wait(60)
        return text

    def work_off(self) -> None:
        loop = self.open(0).map(self.work, workers=2)
        next(loop)
        self.in_flight.wait(60)
        job = self.open(1)
        self.has_opened.set()
        list(job.map(self.work))
        loop.close()


@pytest.mark.slow
def test_a_control_that_records_no_call_in_flight_pays_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: where an opening waits for no call in flight, a program sees its chunk paid for twice."""
    monkeypatch.setattr(RunningLoop, "settle_between_steps", lambda *_: None)
    assert Held(tmp_path / "0.db").run() == {"text 1": 2}
