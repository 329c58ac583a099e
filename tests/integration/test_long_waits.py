"""A loop that waits for chunks of a stopped runner says so, and what helps."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.execution.claims import long_wait

from .claims_tools import CLAIM

if TYPE_CHECKING:
    from conftest import Children

    from checkpoint_store import CheckpointStore


@pytest.mark.parametrize("loop", ["map", "pending"])
def test_a_long_wait_for_a_stopped_runner_is_logged(
    store: CheckpointStore,
    children: Children,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loop: str,
) -> None:
    """The log names the chunk, the runner and the calls that help; the loop goes on once the runner does."""
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    job = store.open_job("talk.srt", total_chunks=2)
    process = children.start(CLAIM, "talk.srt", 1, "completes")
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)

    class LetGoOn(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waits for" in record.getMessage():
                process.send_signal(signal.SIGCONT)
                children.finish(process, "go\n")

    handler = LetGoOn()
    logging.getLogger("checkpoint_store").addHandler(handler)
    try:
        if loop == "map":
            list(job.map(lambda index: index))
        else:
            for chunk in job.pending(wait=True):
                chunk.complete(chunk.index)
    finally:
        logging.getLogger("checkpoint_store").removeHandler(handler)
    assert job.result(0) == "late"
    (runner,) = [record for record in caplog.messages if "waits for" in record]
    assert "waits for 1 chunk, from chunk 0 on, that runner 1 has at work" in runner
    assert "job.release_runner(1) frees its chunks" in runner
