"""A process that stands still, as in a container that is paused: that time counts for no limit."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store.loop.outage import Outage

if TYPE_CHECKING:
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


def test_a_pause_of_the_process_is_no_time_of_an_outage() -> None:
    """After a pause that is longer than outage_seconds, the service is asked again before the job is paused."""
    moment = 0.0
    outage = Outage(60.0, clock=lambda: moment)
    outage.failed(0, 1.0, ConnectionError(), is_asked=False)
    moment = 3600.0
    outage.postpone_end(3599.0)
    assert (outage.has_lasted_too_long(0), outage.seconds) == (False, 1.0)
    moment = 3660.0
    assert outage.has_lasted_too_long(0)
