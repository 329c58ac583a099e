"""Loops in the cells of a notebook: a real IPython kernel, and the interrupt that the stop button sends."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, program
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

FIRST_CELL = program(__file__, "first_cell").read_text("utf-8")
"""The chunk after which no further one can begin asks to be interrupted; it ends once that was noticed."""


class Notebook:
    """A kernel with its cells."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager, self._client = manager, client

    def run(self, code: str, *, interrupt_at: str | None = None, interrupts: int = 1) -> tuple[str, str | None]:
        """Run a cell; return what it shows, and the name of the error that ended it.

        The kernel is interrupted whenever the cell prints ``interrupt_at``, so many times at most.
        """
        cell, shown, error = self._client.execute(code), "", None
        while True:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=60)
            content = message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "stream":
                shown += content["text"]
                if interrupt_at is not None and interrupts and interrupt_at in shown:
                    shown = shown.replace(interrupt_at, "")
                    interrupts -= 1
                    self._manager.interrupt_kernel()
            elif message["msg_type"] == "execute_result":
                shown += content["data"].get("text/html") or content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                error = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return shown, error


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """A running kernel in the test's folder, which has run the first cell."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    sockets = tempfile.mkdtemp(dir="/tmp")  # their paths have to be short; a free TCP port may be taken meanwhile
    manager = KernelManager(
        kernel_name="python3", connection_file=str(tmp_path / "kernel.json"), transport="ipc", ip=f"{sockets}/k"
    )
    manager.start_kernel(cwd=str(tmp_path), env=environment)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        made = Notebook(manager, client)
        assert made.run(FIRST_CELL) == ("", None)
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        shutil.rmtree(sockets)


STANDS = "print(job.status, len(calls) - len(set(calls)), job.in_doubt_chunks(), job.failed_chunks())"


@pytest.mark.slow
def test_an_interrupted_cell_finishes_what_is_in_hand_and_the_next_cell_goes_on(notebook: Notebook) -> None:
    """The stop button pauses the job; nothing is in doubt, and nothing is called twice."""
    _, error = notebook.run("for item in job.map(work, workers=2): pass", interrupt_at="now\n")
    assert error == "KeyboardInterrupt"
    assert (
        notebook.run("print(sorted(map(int, calls)), job.progress().completed_chunks)")[0] == "[0, 1, 2, 3, 4, 5] 6\n"
    )
    assert notebook.run(STANDS) == ("paused 0 [] []\n", None)
    shown, error = notebook.run("results = [item.result for item in job.map(work, workers=2)]\njob")
    assert error is None
    assert "20 of 20 chunks (100%)" in shown
    assert notebook.run(STANDS) == ("completed 0 [] []\n", None)


@pytest.mark.slow
def test_an_interrupted_cell_that_awaits_finishes_what_is_in_hand(notebook: Notebook) -> None:
    """A cell with ``async for``: the kernel cancels it, and the call under way is recorded first."""
    _, error = notebook.run("async for item in job.amap(await_work, workers=1): pass", interrupt_at="now\n")
    assert error in ("CancelledError", "KeyboardInterrupt")
    assert notebook.run("print(calls, job.progress().completed_chunks)")[0] == "['0', '1', '2', '3', '4'] 5\n"
    assert notebook.run(STANDS) == ("paused 0 [] []\n", None)
    assert notebook.run("print(len([item async for item in job.amap(await_work)]))") == ("15\n", None)
    assert notebook.run(STANDS) == ("completed 0 [] []\n", None)


@pytest.mark.slow
def test_a_second_interrupt_ends_the_cell_at_once(notebook: Notebook) -> None:
    """What it had in hand is in doubt until its calls end: the kernel lives on, records them, and pays for none again."""
    # what comes within the time of one key press is one signal: a person who presses again does so later
    notebook.run("import time\non_pausing = lambda: time.sleep(1.0) or print('now', flush=True)")
    _, error = notebook.run("for item in job.map(work, workers=2): pass", interrupt_at="now\n", interrupts=2)
    assert error == "KeyboardInterrupt"
    assert notebook.run("print([record.chunk_index for record in job.in_doubt_chunks()])")[0] == "[4, 5]\n"
    notebook.run("may_end.set()\nwhile job.progress().completed_chunks < 6: time.sleep(0.01)")
    assert notebook.run("print(len(list(job.map(work))), job.status)")[0] == "14 completed\n"
