"""Ctrl-C, SIGTERM and SIGHUP in programs of every shape: the chunks in hand are kept, and the program ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import BudgetReached, CheckpointStore, JobPaused

if TYPE_CHECKING:
    from conftest import Children, Opener

BY_SIGINT = -signal.SIGINT
COMMON = """
import asyncio, os, signal, sys, threading, time
from checkpoint_store import CheckpointStore, JobPaused
def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)
def work(text):
    if text.endswith("press"):
        press()
    return text
store = CheckpointStore("talks.db")
def report(job):
    print(job.file_name, job.status, job.progress().completed_chunks, len(job.running_chunks()), len(job.in_doubt_chunks()), flush=True)
"""


def test_one_ctrl_c_ends_a_loop_over_many_files(children: Children) -> None:
    """The file in hand is paused after its chunks in hand; no other one is begun, and none is written short."""
    source = """
with store:
    try:
        for number in range(50):
            job = store.open_job(f"file{number}", chunks=["a", "press" if number == 2 else "b", "c", "d"])
            for item in job.map(work):
                pass
            print(number, len(list(job.results())), flush=True)
    finally:
        report(job)
        print(len(store.jobs()))
"""
    printed = children.run(COMMON + source, code=BY_SIGINT)
    assert printed.splitlines() == ["0 4", "1 4", "file2 paused 2 0 0", "3"]


def test_ctrl_c_during_the_last_chunk_ends_the_program_too(children: Children) -> None:
    """The job is completed, and the next file is not begun."""
    source = """
with store:
    try:
        for name in ("first", "second"):
            list(store.map(work, ["a", "press"], file_name=name))
    finally:
        report(store.latest_job())
"""
    assert children.run(COMMON + source, code=BY_SIGINT) == "first completed 2 0 0\n"


def test_ctrl_c_ends_a_program_that_catches_the_errors_of_its_jobs(children: Children) -> None:
    """A chunk fails in the same moment: the signal comes first, so that no ``except Exception`` goes on paying."""
    source = """
def fails(text):
    press()
    raise TypeError("a mistake")
with store:
    for name in ("first", "second"):
        try:
            list(store.map(fails, ["a", "b"], file_name=name))
        except Exception as error:
            print("caught", error)
"""
    assert children.run(COMMON + source, code=BY_SIGINT) == ""


@pytest.mark.parametrize("leave", ["break", "raise ValueError"])
def test_ctrl_c_in_the_body_of_a_loop_that_is_left_is_not_lost(children: Children, leave: str) -> None:
    """Left by a break or by an exception that is caught, the program ends all the same, and pays for nothing more."""
    source = f"""
with store:
    try:
        job = store.open_job("first", chunks=list("abcdef"))
        try:
            for item in job.map(work, workers=2):
                press()
                {leave}
        except ValueError:
            pass
        list(store.map(work, list("abcdef") * 100, file_name="second", workers=1))
        time.sleep(60)
    finally:
        print(job.status, len(job.running_chunks()))
        print(sum(job.progress().completed_chunks for job in store.jobs(file_name="second")))
"""
    assert children.run(COMMON + source, code=BY_SIGINT) == "paused 0\n0\n"


def test_a_job_as_a_context_manager_is_paused_by_every_signal(children: Children, open_store: Opener) -> None:
    """The exit code of a signal, and a pause from elsewhere, are no failure of the job."""
    source = """
with store, store.open_job("first", chunks=list("abcdef")) as job:
    for item in job.map(work):
        press(int(sys.argv[1]))
"""
    for number, code in ((signal.SIGINT, BY_SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        children.run(COMMON + source, int(number), code=code)
        with open_store() as store:
            job = store.latest_job()
            assert job is not None
            assert (job.status, job.error_message) == ("paused", None)


def test_a_pause_or_a_budget_is_no_failure_of_a_job(store: CheckpointStore) -> None:
    """As a context manager it stays paused; of a budget it keeps the message."""
    with pytest.raises(JobPaused), store.open_job("first", chunks=["a", "b"]) as job:
        for _ in job.map(str.upper, stop_when=lambda: job.progress().completed_chunks == 1):
            pass
    assert (job.status, job.error_message) == ("paused", None)
    with pytest.raises(BudgetReached), store.open_job("second", chunks=["a", "b", "c"]) as job:
        for _ in job.map(lambda _: {"cost": 1.0}, max_cost=1.5):
            pass
    assert job.status == "paused"
    assert "max_cost" in str(job.error_message)


@pytest.mark.slow_variants
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("where", ["work", "body"])
def test_the_second_signal_ends_at_once(
    children: Children, second: signal.Signals, where: str, open_store: Opener
) -> None:
    """Whichever it is, and wherever the program is: nothing is waited for, what was in hand is in doubt."""
    source = """
def hang(text):
    if text == "b":
        print("begun" + chr(10), end="", flush=True)
        time.sleep(3600)
    return text
with store:
    for item in store.open_job("first", chunks=list("ab")).map(hang, workers=2):
        if sys.argv[1] == "body":
            while True:
                time.sleep(0.01)
"""
    process = children.start(COMMON + source, where)
    assert children.next_line(process) == "begun"
    with open_store(read_only=True) as store:
        (job,) = store.jobs()
        while job.progress().completed_chunks < 1:
            assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):  # the first one is heard, and nothing ends
        _wait(process, 0.5)
    process.send_signal(second)
    children.finish(process, code=BY_SIGINT if second is signal.SIGINT else 143)
    job = open_store().latest_job()  # type: ignore[assignment]
    assert (job.status, [one.chunk_index for one in job.in_doubt_chunks()]) == ("paused", [1])


def _wait(process: object, seconds: float) -> None:
    import subprocess

    assert isinstance(process, subprocess.Popen)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


def test_two_signals_of_one_press_are_one(children: Children) -> None:
    """A launcher passes on the Ctrl-C which the terminal has sent already: the chunk in hand is finished."""
    source = """
def twice(text):
    press()
    press()
    return text
with store:
    try:
        store.map(twice, ["a", "b"], file_name="first")
    finally:
        report(store.latest_job())
"""
    assert children.run(COMMON + source, code=BY_SIGINT) == "first paused 1 0 0\n"


@pytest.mark.parametrize("how", ["handler", "ignored", "add_signal_handler"])
def test_handlers_of_the_programs_own_are_left_alone(children: Children, how: str) -> None:
    """Its own, SIG_IGN as under nohup, and asyncio's: they decide, and the loop goes on."""
    source = """
def mine(*_):
    print("mine", flush=True)
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, mine)
    async def awork(text):
        press(signal.SIGTERM)
        await asyncio.sleep(0.05)
        return text
    async for item in store.open_job("first", chunks=list("ab")).amap(awork, workers=1):
        pass
with store:
    if sys.argv[1] == "add_signal_handler":
        asyncio.run(main())
    else:
        signal.signal(signal.SIGHUP, mine if sys.argv[1] == "handler" else signal.SIG_IGN)
        def work(text):
            press(signal.SIGHUP)
            return text
        store.map(work, ["a", "b"], file_name="first")
    report(store.latest_job())
"""
    printed = children.run(COMMON + source, how).splitlines()
    assert printed == [*(["mine", "mine"] if how != "ignored" else []), "first completed 2 0 0"]


# -- asyncio

ASYNC = """
async def awork(text):
    print("begun " + text + chr(10), end="", flush=True)
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return text
async def one(name):
    job = store.open_job(name, chunks=list("abcdef"))
    try:
        async for item in job.amap(awork, workers=2):
            pass
    finally:
        report(job)
async def main():
    await one("first")
async def several():
    await asyncio.gather(one("first"), one("second"))
async def sync_inside():
    def wait(text):
        print(f"begun {text}\\n", end="", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        return text
    try:
        for item in store.open_job("first", chunks=list("abcdef")).map(wait, workers=2):
            pass
    finally:
        report(store.latest_job())
with store:
    asyncio.run(globals()[sys.argv[1]]())
"""


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("shape", ["main", "sync_inside"])
def test_asyncio_finishes_what_is_in_hand(
    children: Children, number: signal.Signals, shape: str, open_store: Opener
) -> None:
    """``asyncio.run`` alone would cancel calls that are under way, and paid for; the program ends as it would then."""
    process = children.start(COMMON + ASYNC, shape)
    assert {children.next_line(process) for _ in range(2)} == {"begun a", "begun b"}
    process.send_signal(number)
    with pytest.raises(TimeoutError):
        _wait(process, 0.5)
    (open_store().path.parent / "go").touch()
    printed = children.finish(process, code=BY_SIGINT if number is signal.SIGINT else 128 + number)
    assert printed == "first paused 2 0 0\n"


def test_every_loop_of_an_event_loop_finishes_what_is_in_hand(children: Children, open_store: Opener) -> None:
    """The one that is ready first waits for the other, whose calls the end of the program would cancel."""
    process = children.start(COMMON + ASYNC.replace('"go"', '"go" + text'), "several")
    assert sorted(children.next_line(process) for _ in range(4)) == ["begun a", "begun a", "begun b", "begun b"]
    process.send_signal(signal.SIGINT)
    folder = open_store().path.parent
    for name in ("a", "b"):
        with pytest.raises(TimeoutError):
            _wait(process, 0.5)
        (folder / f"go{name}").touch()
    printed = children.finish(process, code=BY_SIGINT)
    assert sorted(printed.splitlines()) == ["first paused 2 0 0", "second paused 2 0 0"]


def test_two_ctrl_c_end_asyncio_at_once(children: Children, open_store: Opener) -> None:
    """What was in hand is in doubt."""
    process = children.start(COMMON + ASYNC, "main")
    assert {children.next_line(process) for _ in range(2)} == {"begun a", "begun b"}
    process.send_signal(signal.SIGINT)
    with pytest.raises(TimeoutError):
        _wait(process, 0.5)
    process.send_signal(signal.SIGINT)
    children.finish(process, code=BY_SIGINT)
    job = open_store().latest_job()
    assert job is not None
    assert (job.status, len(job.in_doubt_chunks())) == ("paused", 2)
