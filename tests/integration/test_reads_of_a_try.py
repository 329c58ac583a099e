"""What a loop asks of the store before each try, and how many chunks it claims at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.storage.connection.database import Database

if TYPE_CHECKING:
    import pytest

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
    """While one commit takes 4 ms, eight workers do eight chunks: 20 are claimed at once, and not two."""
    job = store.open_job("talk.srt", total_chunks=60)
    moment, commit_seconds = 128.0, 1 / 256  # which floats hold exactly
    monkeypatch.setattr(chunk_queue.time, "monotonic", lambda: moment)
    wanted = []
    for places in (1, 8):
        queue = job._execution.queue(places=places)
        queue._chunk_seconds, queue._started_at = 0.0001, moment - commit_seconds
        wanted.append(queue.batch())
        queue.close()
    assert wanted == [2, 20]
