"""Ctrl-C, SIGTERM and SIGHUP in programs of every shape: the chunks in hand are kept, and the program ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import BudgetReached, CheckpointStore, JobPaused
from checkpoint_store.loop import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children, Opener

BY_SIGINT = -signal.SIGINT


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as a program in a terminal meets it, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


PRESSES = program(__file__, "signalled")


def test_one_ctrl_c_ends_a_loop_over_many_files(children: Children) -> None:
    """The file in hand is paused after its chunks in hand; no other one is begun, and none is written short."""
    printed = children.run(PRESSES, "many_files", code=BY_SIGINT)
    assert printed.splitlines() == ["0 4", "1 4", "file2 paused 2 0 0", "3"]


def test_ctrl_c_during_the_last_chunk_ends_the_program_too(children: Children) -> None:
    """The job is completed, and the next file is not begun."""
    assert children.run(PRESSES, "last_chunk", code=BY_SIGINT) == "first completed 2 0 0\n"


def test_ctrl_c_ends_a_program_that_catches_the_errors_of_its_jobs(children: Children) -> None:
    """A chunk fails in the same moment: the signal comes first, so that no ``except Exception`` goes on paying."""
    assert children.run(PRESSES, "catches_errors", code=BY_SIGINT) == ""


@pytest.mark.parametrize("leave", ["break", "raise"])
def test_ctrl_c_in_the_body_of_a_loop_that_is_left_is_not_lost(children: Children, leave: str) -> None:
    """Left by a break or by an exception that is caught, the program ends all the same, and pays for nothing more."""
    assert children.run(PRESSES, "leaves_the_loop", leave, code=BY_SIGINT) == "paused 0\n0\n"


@pytest.mark.slow
def test_a_job_as_a_context_manager_is_paused_by_every_signal(children: Children, open_store: Opener) -> None:
    """The exit code of a signal, and a pause from elsewhere, are no failure of the job."""
    for number, code in ((signal.SIGINT, BY_SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        children.run(PRESSES, "context_manager", int(number), code=code)
        with open_store() as store:
            job = store.latest_job()
            assert job is not None
            assert (job.status, job.error_message) == ("paused", None)


def test_a_pause_or_a_budget_is_no_failure_of_a_job(store: CheckpointStore) -> None:
    """A job used as a context manager stays paused after a pause, and keeps the message of a budget."""
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
    """A second signal of either kind ends the program at once, and what was in hand is in doubt."""
    process = children.start(PRESSES, "hangs", where)
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
    assert children.run(PRESSES, "twice", code=BY_SIGINT) == "first paused 1 0 0\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["handler", "ignored", "add_signal_handler"])
def test_handlers_of_the_programs_own_are_left_alone(children: Children, how: str) -> None:
    """Signal handlers of the program, SIG_IGN and asyncio's handlers decide, and the loop goes on."""
    words = ["handles_in_asyncio"] if how == "add_signal_handler" else ["handles_itself", how]
    printed = children.run(PRESSES, *words).splitlines()
    assert printed == [*(["mine", "mine"] if how != "ignored" else []), "first completed 2 0 0"]


# -- asyncio


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("shape", ["one_loop", "map_in_a_coroutine"])
def test_asyncio_finishes_what_is_in_hand(
    children: Children, number: signal.Signals, shape: str, open_store: Opener
) -> None:
    """``asyncio.run`` alone would cancel calls that are under way, and paid for; the program ends as it would then."""
    process = children.start(PRESSES, shape)
    assert {children.next_line(process) for _ in range(2)} == {"begun a", "begun b"}
    process.send_signal(number)
    with pytest.raises(TimeoutError):
        _wait(process, 0.5)
    (open_store().path.parent / "go").touch()
    printed = children.finish(process, code=BY_SIGINT if number is signal.SIGINT else 128 + number)
    assert printed == "first paused 2 0 0\n"


@pytest.mark.slow
def test_every_loop_of_an_event_loop_finishes_what_is_in_hand(children: Children, open_store: Opener) -> None:
    """The one that is ready first waits for the other, whose calls the end of the program would cancel."""
    process = children.start(PRESSES, "two_loops")
    assert sorted(children.next_line(process) for _ in range(4)) == ["begun a", "begun a", "begun b", "begun b"]
    process.send_signal(signal.SIGINT)
    folder = open_store().path.parent
    for name in ("a", "b"):
        with pytest.raises(TimeoutError):
            _wait(process, 0.5)
        (folder / f"go{name}").touch()
    printed = children.finish(process, code=BY_SIGINT)
    assert sorted(printed.splitlines()) == ["first paused 2 0 0", "second paused 2 0 0"]


@pytest.mark.slow
def test_two_ctrl_c_end_asyncio_at_once(children: Children, open_store: Opener) -> None:
    """What was in hand is in doubt."""
    process = children.start(PRESSES, "one_loop")
    assert {children.next_line(process) for _ in range(2)} == {"begun a", "begun b"}
    process.send_signal(signal.SIGINT)
    with pytest.raises(TimeoutError):
        _wait(process, 0.5)
    process.send_signal(signal.SIGINT)
    children.finish(process, code=BY_SIGINT)
    job = open_store().latest_job()
    assert job is not None
    assert (job.status, len(job.in_doubt_chunks())) == ("paused", 2)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_a_loop_gives_the_handler_back_ends_the_program(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come before each line: also while the end of the last loop puts the program's handler back."""
    original: Callable[[int], Any] = signal.getsignal

    def getsignal(number: int) -> object:
        handler = original(number)
        if handler is signals._on_signal:
            monkeypatch.undo()
            signal.raise_signal(signal.SIGINT)
        return handler

    job = store.open_job("talk", chunks=["a"])
    with pytest.raises(KeyboardInterrupt):
        for _ in job.map(str.upper):
            monkeypatch.setattr(signal, "getsignal", getsignal)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert job.results(missing="skip").__next__() == "A"


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_ends_a_program_whose_handler_nobody_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is KeyboardInterrupt, and no endless recursion, where our handler was left behind without a loop."""
    monkeypatch.setattr(signals, "_active", [])
    signal.signal(signal.SIGINT, signals._on_signal)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_the_first_chunk_leaves_no_runner_behind(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C before the first chunk pauses the job and leaves no runner, so others may go on at once."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    job, others = store.open_job("talk.srt", total_chunks=2), list(signals._active)  # loops that other tests left
    monkeypatch.setattr(signals, "_set_handlers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(str))
    monkeypatch.undo()
    assert (job.status, job.runners(), signals._active) == ("paused", [], others)
    assert len(list(job.map(str))) == 2
