"""Quick chunks are claimed many at a time; what is shown as running, and kept from others, is what is worked on."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import wait_until

from checkpoint_store.execution.claims import chunk_queue

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL = 4000
SLOW = 600
"""The first chunk that takes long; those before it take next to no time."""


def claimed(path: Path) -> list[int]:
    """The chunks that runners have claimed, as the view at the sqlite3 prompt has them."""
    with closing(sqlite3.connect(path)) as reading:
        return [index for (index,) in reading.execute("SELECT chunk_index FROM running_now ORDER BY 1")]


def running(job: Job) -> list[int]:
    return [chunk.chunk_index for chunk in job.running_chunks()]


@pytest.mark.slow
def test_what_is_claimed_ahead_is_not_said_to_run(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that is claimed ahead is shown as running neither in its own process nor in a read-only store."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 60.0)  # every chunk is quick, on any disk
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    other = open_store(read_only=True).job(job.job_id)
    most = 0
    for chunk in job.pending():
        if chunk.index % 50 == 49:
            most = max(most, len(claimed(store.path)))
            assert running(job) == running(other) == [chunk.index]
        chunk.complete("x")
        if chunk.index == SLOW:
            break
    assert most > 1  # or nothing was claimed ahead


def test_a_slow_chunk_keeps_no_other_chunk_from_other_runners(store: CheckpointStore, open_store: Opener) -> None:
    """What was claimed ahead while chunks were quick is free again while one is slow."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    slow_began, done = threading.Event(), threading.Event()
    seen: list[int] = []

    def work(index: int) -> int:
        if index == SLOW:
            slow_began.set()
            wait_until(lambda: claimed(store.path) == [SLOW, SLOW + 1])  # those that are worked on
            seen.append(next(open_store().job(job.job_id).pending()).index)
            done.set()
        elif index == SLOW - 1:  # as on a busy machine: the chunk before is in work still
            assert slow_began.wait(60)
        elif index > SLOW:
            assert done.wait(60)
        return index

    for item in job.map(work, workers=2):
        if item.index == SLOW:
            break
    assert seen == [SLOW + 2]


@pytest.mark.parametrize("slow", ["work", "body"])
def test_a_loop_without_workers_gives_back_what_it_claimed_ahead_after_a_slow_chunk(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """Another process gets its share of the slow chunks, whether the work on a chunk is slow, or the body of the loop."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 60.0)  # every chunk is quick, on any disk
    monkeypatch.setattr(chunk_queue, "_SLOW_SECONDS", 60.0)
    ahead: dict[int, list[int]] = {}

    def look(index: int) -> None:
        ahead[index] = [other for other in claimed(store.path) if other > index]
        if index == 20:  # from here on every chunk is slow
            monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
            monkeypatch.setattr(chunk_queue, "_SLOW_SECONDS", 0.0)

    def work(index: int) -> int:
        if slow == "work":
            look(index)
        return index

    for item in store.open_job("talk.srt", total_chunks=TOTAL).map(work):
        if slow == "body":
            look(item.index)
        if item.index == 21:
            break
    assert len(ahead[20]) > 1  # or nothing was claimed ahead
    assert ahead[21] in ([], [22])  # the next chunk may be claimed in the commit of a completion


@pytest.mark.slow
def test_pending_gives_back_what_it_claimed_ahead_after_a_slow_chunk(store: CheckpointStore) -> None:
    """The chunks that follow are claimed one at a time again, and none is passed over."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    chunks = job.pending()
    for chunk in chunks:
        if chunk.index == SLOW:
            break
        chunk.complete("x")
    threading.Event().wait(0.3)
    chunk.complete("x")
    following = next(chunks)
    assert (following.index, claimed(store.path)) == (SLOW + 1, [SLOW + 1])
    following.complete("x")
    del chunk, following
    assert [left.index for left in chunks] == list(range(SLOW + 2, TOTAL))
