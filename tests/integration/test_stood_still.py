"""A process or a loop that stands still, as in a container that is paused: that time counts for no limit."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ServiceUnavailable
from checkpoint_store.loop.outage import Outage

from .map_tools import CHUNKS, Flaky

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["map", "amap"])
def test_a_pause_of_the_process_is_no_time_of_an_attempt(children: Children, loop: str) -> None:
    """After a pause that is longer than timeout_seconds, a call has the rest of its time, and nothing is tried again."""
    process = children.start(program(__file__, "wait_for_lines"), loop)
    assert children.next_line(process) == "at work"
    process.send_signal(signal.SIGSTOP)
    time.sleep(3.2)  # longer than the time limit
    process.send_signal(signal.SIGCONT)
    time.sleep(0.5)  # a loop that goes by the clock gives the attempt up meanwhile
    assert children.finish(process, "paid\n") == "paid!\n{}\n"


@pytest.mark.slow
def test_an_answer_that_a_blocked_event_loop_could_not_read_is_in_time(store: CheckpointStore) -> None:
    """The program blocks its event loop for longer than ``timeout_seconds``: no call that was answered is made again."""
    job, calls = store.open_job("talk.srt", total_chunks=1), []
    service, client = socket.socketpair()
    client.setblocking(False)

    def answer_and_block() -> None:
        service.send(b"!")
        time.sleep(1.0)

    async def work(index: int) -> str:
        calls.append(index)
        event_loop = asyncio.get_running_loop()
        event_loop.call_soon(answer_and_block)  # once the work waits for its answer
        return (await event_loop.sock_recv(client, 1)).decode()

    async def main() -> list[str]:
        return [item.result async for item in job.amap(work, timeout_seconds=0.2, wait=0.0)]

    with service, client:
        assert asyncio.run(main()) == ["!"]
    assert (calls, [attempt.error for attempt in job.attempts()]) == ([0], [None])


def test_a_pause_of_the_process_is_no_time_of_an_outage() -> None:
    """After a pause that is longer than outage_seconds, the service is asked again before the job is paused."""
    moment = 0.0
    outage = Outage(60.0, clock=lambda: moment)
    outage.failed(0, 1.0, ConnectionError())
    moment = 3600.0
    outage.postpone_end(3599.0)
    assert (outage.has_lasted_too_long(0), outage.seconds) == (False, 1.0)
    moment = 3660.0
    outage.failed(1, 1.0, ConnectionError())
    assert outage.has_lasted_too_long(0)


@pytest.mark.slow_variants
@pytest.mark.parametrize("held_back_by", ["its body", "its events", "a limit"])
def test_a_service_is_not_given_up_before_it_is_asked_again(tmp_path: Path, held_back_by: str) -> None:
    """One failure, and then the loop makes no call for longer than ``outage_seconds``: the next call comes first."""
    seconds = 0.4
    work = Flaky(ConnectionError(), c1=1)
    options: dict[str, Any] = {"workers": 2, "wait": 0.01, "outage_seconds": seconds / 2}
    if held_back_by == "its events":
        options["on_event"] = lambda event: time.sleep(seconds if event.kind == "retried" else 0)
    if held_back_by == "a limit":
        options["max_calls_per_minute"] = 60 / seconds
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as store:
        job = store.open_job("f", chunks=CHUNKS[:4])
        for _ in job.map(work, **options):
            if held_back_by == "its body" and 1 in work.calls:
                time.sleep(seconds)
        assert (job.status, len(work.calls)) == ("completed", 5)


@pytest.mark.slow
def test_chunks_that_wait_for_their_retry_keep_no_service_from_being_given_up(tmp_path: Path) -> None:
    """Each chunk has failed and waits for a minute: the job is paused after ``outage_seconds``, and not then."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as store:
        job = store.open_job("f", chunks=CHUNKS[:2])
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            list(job.map(Flaky(c0=99, c1=99), workers=2, wait=60, outage_seconds=1.5))
        assert time.monotonic() - began < 30
