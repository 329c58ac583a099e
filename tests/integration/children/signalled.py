"""Programs of every shape that press Ctrl-C, or wait for it. Arguments: the name of a function, and what it takes."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from checkpoint_store import Job

LETTERS = list("abcdef")


def press(number: int = signal.SIGINT) -> None:
    """Send a signal to this process."""
    os.kill(os.getpid(), number)


def presses(text: str) -> str:
    """Press Ctrl-C in the chunk that says so."""
    if text == "press":
        press()
    return text


def report(job: Job | None) -> None:
    """Print where a job stands."""
    assert job is not None
    done, running, doubt = job.progress().completed_chunks, len(job.running_chunks()), len(job.in_doubt_chunks())
    print(job.file_name, job.status, done, running, doubt, flush=True)


def many_files() -> None:
    """A loop over many files; Ctrl-C comes in the third one."""
    try:
        for number in range(50):
            job = store.open_job(f"file{number}", chunks=["a", "press" if number == 2 else "b", "c", "d"])
            for _ in job.map(presses):
                pass
            print(number, len(list(job.results())), flush=True)
    finally:
        report(job)
        print(len(store.jobs()))


def last_chunk() -> None:
    """Ctrl-C comes during the last chunk of the first of two files."""
    try:
        for name in ("first", "second"):
            list(store.map(presses, ["a", "press"], file_name=name))
    finally:
        report(store.latest_job())


def catches_errors() -> None:
    """A chunk fails in the moment of Ctrl-C; the program catches every error, and goes on."""

    def fails(_: str) -> None:
        press()
        raise TypeError("a mistake")

    for name in ("first", "second"):
        try:
            list(store.map(fails, ["a", "b"], file_name=name))
        except Exception as error:
            print("caught", error)


def leaves_the_loop(how: str) -> None:
    """Ctrl-C comes in the body of a loop, which is then left; the program goes on with another job."""
    job = store.open_job("first", chunks=LETTERS)
    try:
        try:
            for _ in job.map(presses, workers=2):
                press()
                if how == "raise":
                    raise ValueError(how)
                break
        except ValueError:
            pass
        list(store.map(presses, LETTERS * 100, file_name="second", workers=1))
        threading.Event().wait()
    finally:
        print(job.status, len(job.running_chunks()))
        print(sum(job.progress().completed_chunks for job in store.jobs(file_name="second")))


def context_manager(number: str) -> None:
    """A job as a context manager; this signal comes after the first chunk."""
    with store.open_job("first", total_chunks=100) as job:
        for _ in job.map(str):
            press(int(number))


def hangs(where: str) -> None:
    """The second chunk never ends, and neither does the body of the loop if that is ``where``."""

    def hang(text: str) -> str:
        if text == "b":
            print("begun\n", end="", flush=True)
            threading.Event().wait()
        return text

    for _ in store.open_job("first", chunks=["a", "b"]).map(hang, workers=2):
        while where == "body":
            time.sleep(0.01)


def twice() -> None:
    """A launcher passes on the Ctrl-C which the terminal has sent already."""

    def work(text: str) -> str:
        press()
        press()
        return text

    try:
        store.map(work, ["a", "b"], file_name="first")
    finally:
        report(store.latest_job())


def mine(*_: object) -> None:
    """Handle a signal."""
    print("mine", flush=True)


def handles_itself(how: str) -> None:
    """The program has a handler of its own, or ignores the signal, which comes in each chunk."""
    signal.signal(signal.SIGHUP, mine if how == "handler" else signal.SIG_IGN)

    def work(text: str) -> str:
        press(signal.SIGHUP)
        return text

    store.map(work, ["a", "b"], file_name="first")
    report(store.latest_job())


async def handles_in_asyncio() -> None:
    """The event loop has a handler of the program's."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, mine)

    async def work(text: str) -> str:
        press(signal.SIGTERM)
        await asyncio.sleep(0.05)
        return text

    async for _ in store.open_job("first", chunks=["a", "b"]).amap(work, workers=1):
        pass
    report(store.latest_job())


def is_there(name: str) -> bool:
    """Whether the test has made this file."""
    return os.path.exists(name)


async def one_loop(name: str = "first", go: str = "go") -> None:
    """A loop whose chunks end once there is a file: ``go``, or ``goa`` for chunk ``a`` if ``go`` is ``each``."""

    async def work(text: str) -> str:
        print(f"begun {text}\n", end="", flush=True)
        for _ in iter(lambda: is_there(f"go{text}" if go == "each" else go), True):
            await asyncio.sleep(0.01)
        return text

    job = store.open_job(name, chunks=LETTERS)
    try:
        async for _ in job.amap(work, workers=2):
            pass
    finally:
        report(job)


async def two_loops() -> None:
    """Two loops of one event loop."""
    await asyncio.gather(one_loop("first", "each"), one_loop("second", "each"))


async def map_in_a_coroutine() -> None:
    """A loop of threads that stops the event loop."""

    def work(text: str) -> str:
        print(f"begun {text}\n", end="", flush=True)
        while not is_there("go"):
            time.sleep(0.01)
        return text

    try:
        for _ in store.open_job("first", chunks=LETTERS).map(work, workers=2):
            pass
    finally:
        report(store.latest_job())


with CheckpointStore("talks.db") as store:
    chosen = globals()[sys.argv[1]]
    if inspect.iscoroutinefunction(chosen):
        asyncio.run(chosen(*sys.argv[2:]))
    else:
        chosen(*sys.argv[2:])
