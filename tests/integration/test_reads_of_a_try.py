"""What a loop asks of the store before each try, and how many chunks it claims at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from checkpoint_store import current_attempt
from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.loop import starting
from checkpoint_store.loop.starting import Starter
from checkpoint_store.storage.connection.database import Database

if TYPE_CHECKING:
    import pytest
    from conftest import Opener

    from checkpoint_store import CheckpointStore


def test_a_try_reads_the_store_once(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the chunk is complete, and what its handle is, are one read, also of chunks that are claimed ahead."""
    reads: list[str] = []

    def note(name: str) -> None:
        real = getattr(Database, name)

        def noted(self: Database, statement: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
            reads.append(statement)
            row: tuple[object, ...] | None = real(self, statement, values)
            return row

        monkeypatch.setattr(Database, name, noted)

    job = store.open_job("talk.srt", total_chunks=60)
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 1000.0)  # however slow the disk is
    note("read_row")
    note("read_row_between_writes")
    for chunk in job.pending():
        chunk.complete("x")
    assert sum("chunk_handles" in statement for statement in reads) == 60
    assert sum("chunk_handles" not in statement and "completed_chunks" in statement for statement in reads) == 0


def test_a_loop_of_several_workers_claims_for_all_of_them(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one commit takes 4 ms, eight workers do eight chunks: 40 are claimed at once, and not five."""
    job = store.open_job("talk.srt", total_chunks=60)
    moment, commit_seconds = 128.0, 1 / 256  # which floats hold exactly
    monkeypatch.setattr(chunk_queue.time, "monotonic", lambda: moment)
    wanted = []
    for places in (1, 8):
        queue = job._execution.queue(places=places)
        queue._chunk_seconds, queue._started_at = 0.0001, moment - commit_seconds
        wanted.append(queue.batch())
        queue.close()
    assert wanted == [5, 40]


def noted_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets each statement by which a loop looks at a chunk before its try."""
    reads: list[str] = []
    real = Database.read_row_between_writes

    def noted(self: Database, statement: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
        reads.append(statement)
        return real(self, statement, values)

    monkeypatch.setattr(Database, "read_row_between_writes", noted)
    return reads


def test_chunks_that_start_together_ask_once_whether_there_are_handles(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight chunks that begin in the same moment need one read, while no chunk of the job has a handle."""
    job = store.open_job("talk.srt", total_chunks=64)
    monkeypatch.setattr(starting, "_WAITED_SECONDS_MIN", 1e9)  # however busy the machine is
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 1000.0)
    groups = []
    real = Starter.hand_over

    def hand_over(self: Starter) -> None:
        groups.append(len(self._schedule.in_flight))
        real(self)

    monkeypatch.setattr(Starter, "hand_over", hand_over)
    reads = noted_reads(monkeypatch)
    assert len(list(job.map(str, workers=8))) == 64
    assert 8 <= len(reads) <= len(groups)


def test_handles_that_come_while_a_loop_goes_on_are_found(store: CheckpointStore, open_store: Opener) -> None:
    """The first ones of the job are recorded by another process, when several workers are in the middle of it."""
    job = store.open_job("talk.srt", total_chunks=200)
    other = open_store().job(job.job_id)
    recorded = threading.Event()

    def work(index: int) -> list[str | None]:
        if index == 0:
            other.record_handle(range(100, 200), "batch-1")
            recorded.set()
        assert recorded.wait(60)
        return [current_attempt().handle]

    found = {item.index: item.result[0] for item in job.map(work, workers=4)}
    assert [found[index] for index in (0, 1, 2, 3)] == [None] * 4
    assert {found[index] for index in range(100, 200)} == {"batch-1"}
