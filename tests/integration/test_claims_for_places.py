"""A loop with several free places claims for all of them at once: each claim is a commit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.loop.gates.gates import OutageGate
from checkpoint_store.loop.outage import Outage

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore

WORKERS = 8


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many chunks each claim took, where chunks take so long that none is claimed ahead."""
    found: list[int] = []
    real = chunk_queue.ChunkQueue.take

    def take(queue: Any, wanted: int) -> Any:
        chunks = real(queue, wanted)
        found.append(len(chunks))
        return chunks

    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    monkeypatch.setattr(chunk_queue.ChunkQueue, "take", take)
    return found


def test_one_claim_fills_all_places(store: CheckpointStore, claims: list[int]) -> None:
    """Eight chunks that start together are one commit, and not one for each or for some."""
    job = store.open_job("talk.srt", total_chunks=WORKERS)
    together = threading.Barrier(WORKERS)
    assert len(list(job.map(lambda _: together.wait(60), workers=WORKERS))) == WORKERS
    assert claims[0] == WORKERS


@pytest.mark.parametrize("limit", [{"max_cost": 100.0}, {"max_calls_per_minute": 6e6}])
def test_a_loop_with_a_limit_claims_what_the_limit_lets_start(
    store: CheckpointStore, claims: list[int], limit: dict[str, Any]
) -> None:
    """A chunk that a budget or a rate may hold back is not kept from other runners."""
    job = store.open_job("talk.srt", total_chunks=WORKERS)
    assert len(list(job.map(lambda index: {"cost": 0.01, "index": index}, workers=WORKERS, **limit))) == WORKERS
    assert claims[0] == 1


def test_a_claim_leaves_something_for_others(store: CheckpointStore, claims: list[int]) -> None:
    """A loop with a hundred places does not claim them all in one go."""
    job = store.open_job("talk.srt", total_chunks=100)
    assert len(list(job.map(str, workers=100))) == 100
    assert claims[0] == 32


def test_in_an_outage_nothing_is_claimed_for_free_places() -> None:
    """A service that is in trouble gets few calls at first; other runners may have the chunks behind them."""
    outage = Outage(600.0)
    gate = OutageGate(None, None, outage)  # type: ignore[arg-type]  # what it asks before a failure is the outage only
    before = gate.free_places(0)
    outage.failed(outage.stretch, 0.1, ConnectionError("the service is away"))
    assert (before, gate.free_places(0)) == (32, 1)
