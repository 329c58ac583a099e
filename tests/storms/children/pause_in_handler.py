"""Get SIGTERM at random moments of loops; the handler of the program asks for a pause, and raises if it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from checkpoint_store import CheckpointStore, Job, JobPaused, StoreBusy

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNKS = 60
HANG_SECONDS = 60
ROUNDS_MAX = 6
"""Signals for a job. A chunk may be in hand at each of them, and its work ended: it may be tried once more often."""


class EndedError(SystemExit):
    """The handler of the program ends it."""


def main(kind: str, raises: str, wanted: str, seed: str) -> None:
    """Work through jobs until as many signals have come as are wanted, and print what was found."""
    dice, signals = random.Random(seed), 0
    with CheckpointStore("talks.db", durability="process") as store:
        while signals < int(wanted):
            signals += _one_job(store, kind, dice, is_raising=raises == "raises")
    print(signals)


def _one_job(store: CheckpointStore, kind: str, dice: random.Random, *, is_raising: bool) -> int:
    calls: list[int] = []
    came: list[float] = []
    chunk_seconds = dice.choice((0.0, 0.0005, 0.002))

    def work(index: int) -> int:
        time.sleep(chunk_seconds)
        calls.append(index)
        return index

    def handler(*_: object) -> None:
        job.pause()
        came.append(time.monotonic())
        if is_raising:
            raise EndedError

    def run() -> None:
        LOOPS[kind](job, work)

    name = f"talk {dice.random()}"
    job = store.open_job(name, total_chunks=CHUNKS)
    signal.signal(signal.SIGTERM, handler)
    rounds = 0
    while job.progress().remaining_chunks and rounds < ROUNDS_MAX:
        rounds += 1
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        sender = threading.Timer(dice.random() * 0.05, os.kill, (os.getpid(), signal.SIGTERM))
        count = len(came)
        with contextlib.suppress(EndedError):
            try:
                sender.start()
                run()
                if kind == "pending" and len(came) > count:
                    raise JobPaused(job.job_id, 0)
                assert not job.progress().remaining_chunks, "the loop ended, and chunks were left"
            except JobPaused:
                left = job.progress().remaining_chunks, job.running_chunks(), job.in_doubt_chunks()
                assert len(came) > count, f"a pause that nobody asked for; left, running and in doubt: {left}"
                assert job.status == ("paused" if job.progress().remaining_chunks else "completed"), job.status
            except StoreBusy as error:  # SQLite compiled a statement for the first time, and dropped the exception
                assert is_raising, error
                assert "signal handler" in str(error), error
        with contextlib.suppress(EndedError):
            sender.join()
            while len(came) == count:
                time.sleep(0.001)
        job = store.open_job(name, total_chunks=CHUNKS)
    run()  # no signal comes: no pause of before may end this loop
    assert list(job.results()) == list(range(CHUNKS))
    assert job.status == "completed"
    assert is_raising or sorted(calls) == list(range(CHUNKS)), "a chunk was paid for twice"
    assert not job.in_doubt_chunks()
    faulthandler.cancel_dump_traceback_later()
    return len(came)


def _map(job: Job, work: Callable[[int], int]) -> None:
    for _ in job.map(work, max_attempts=ROUNDS_MAX + 1):
        pass


def _threads(job: Job, work: Callable[[int], int]) -> None:
    for _ in job.map(work, workers=3, max_attempts=ROUNDS_MAX + 1):
        pass


def _pending(job: Job, work: Callable[[int], int]) -> None:
    for chunk in job.pending():
        chunk.complete(work(chunk.index))


def _amap(job: Job, work: Callable[[int], int]) -> None:
    async def awaited(index: int) -> int:
        return work(index)

    async def drive() -> None:
        async for _ in job.amap(awaited, workers=3, max_attempts=ROUNDS_MAX + 1):
            pass

    asyncio.run(drive())


LOOPS: dict[str, Any] = {"map": _map, "threads": _threads, "pending": _pending, "amap": _amap}

main(*sys.argv[1:])
