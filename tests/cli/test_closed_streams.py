"""The command where standard streams are closed: a daemon, cron, a container without a terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import SIX
from .test_interrupts import WAITING_COMMAND, wait_for

if TYPE_CHECKING:
    from .conftest import Folder

NOTICE = b"finishing what is in hand"


@pytest.mark.slow
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_no_notice_ends_up_in_a_file(lecture: Folder, closed: tuple[int, ...]) -> None:
    """Paused by SIGTERM: what is said to a stream that is closed is in no file, and the store is sound."""

    def close() -> None:
        for number in closed:
            os.close(number)

    words = ("run", "lecture.txt", *SIX, "--joblog", "log.tsv", *lecture.command(WAITING_COMMAND))
    process = lecture.process(*words, preexec_fn=close)
    wait_for(lecture.path / "waiting", process)
    links = {str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in closed}
    assert links == {os.devnull}
    process.send_signal(signal.SIGTERM)
    lecture.write("release", "")
    process.communicate()
    assert process.returncode == 75
    assert [path.name for path in lecture.path.iterdir() if NOTICE in path.read_bytes()] == []
    lecture.run("check")
