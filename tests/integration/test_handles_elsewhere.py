"""Handles recorded where the work is done: in worker processes that die, and on Dask."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import current_attempt, executors

from .test_executors import dask_client

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


def submit_and_die(text: str) -> str | None:
    """Work whose process ends as soon as the handle is recorded."""
    attempt = current_attempt()
    if attempt.handle is None:
        attempt.record_handle(f"batch of {text}")
        os._exit(1)
    return attempt.handle


def submit_and_fail(text: str) -> list[object]:
    """Work that fails as soon as the handle is recorded, and tells the result before it."""
    attempt = current_attempt()
    if attempt.handle is None:
        attempt.record_handle(f"batch of {text}")
        raise ConnectionError
    return [attempt.handle, attempt.previous]


def pool() -> ProcessPoolExecutor:
    """A pool of one worker process."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


@pytest.mark.slow
def test_the_handle_of_a_worker_that_died_is_there(store: CheckpointStore) -> None:
    """The next try, in another worker process, asks for what the dead one submitted."""
    results = store.map(submit_and_die, ["one", "two"], file_name="talk.txt", executor=pool, wait=0.01)
    assert results == ["batch of one", "batch of two"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_dask(store: CheckpointStore) -> None:
    """A worker of a cluster on this machine records handles, and has the result before its chunk."""
    with ExitStack() as stack:
        client = dask_client(stack, 2, processes=True)
        client.run(sys.path.extend, [path for path in sys.path if path])
        results = store.map(
            submit_and_fail,
            ["one", "two"],
            file_name="talk.txt",
            executor=executors.dask(client),
            wait=0.01,
            sequential=True,
        )
    assert results == [["batch of one", None], ["batch of two", ["batch of one", None]]]
