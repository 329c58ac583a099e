"""A fork while a loop is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Children


def test_a_forked_child_that_goes_on_with_a_loop_gets_an_error(children: Children) -> None:
    """Not a hang: what is in flight is in threads that the child does not have."""
    source = """
import gc, os, threading
from checkpoint_store import CheckpointStore, CheckpointStoreError
paid, go = [], threading.Event()
def call(index):
    paid.append(index)
    if index:
        go.wait(60)
    return index
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=4)
    items = job.map(call, workers=2)
    next(items)
    pid = os.fork()
    if not pid:
        try:
            next(items)
        except CheckpointStoreError as error:
            print("refused", "forked" in str(error), flush=True)
        del items
        gc.collect()
        store.close()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    go.set()
    print(status, sorted(item.index for item in items), job.status)
"""
    assert children.run(source).split("\n")[:2] == ["refused True", "0 [1, 2, 3] completed"]
