"""Half a minute without a network, and the rest of what services do, at the length that jobs have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from conftest import program
from integration.troubled_service import POISON, Client, Outages, Service, map_async

if TYPE_CHECKING:
    from conftest import Children

    from checkpoint_store import CheckpointStore

pytestmark = [pytest.mark.storm, pytest.mark.timeout(1800)]

TOTAL = 4000
POISONED = 1777
PROMPTS = [POISON if index == POISONED else f"prompt {index}" for index in range(TOTAL)]
TROUBLES = Outages(
    busy_with_hint=(500, 20.0),
    busy=(1200, 20.0),
    refused=(2000, 30.0),
    slow=frozenset(PROMPTS[20:TOTAL:100]),
    cut=frozenset(PROMPTS[150:TOTAL:500]),
)
EXTRA_SHARE_MAX = 0.05
WIDTH = 4


def check(store: CheckpointStore, service: Service, calls: int) -> None:
    """Every prompt but the poison one was answered once, only that one failed, and few calls were in vain."""
    job = store.latest_job()
    assert job is not None
    extra = calls - TOTAL
    print(
        f"{TOTAL} chunks, {calls} calls, {extra} in vain ({100 * extra / TOTAL:.1f}%), failed {len(job.failed_chunks())}"
    )
    assert [record.chunk_index for record in job.failed_chunks()] == [POISONED]
    assert set(service.answered.values()) == {1}
    assert len(service.answered) == TOTAL - 1
    assert extra <= EXTRA_SHARE_MAX * TOTAL


def test_threads(store: CheckpointStore) -> None:
    """One process of four threads waits for each outage, and no chunk fails."""
    with Service(TROUBLES) as service:
        client = Client(service.port)
        store.map(client, PROMPTS, file_name="f", workers=WIDTH, on_error="record")
        check(store, service, len(client.calls))


RUNNER = program(__file__, "meet_outages")


def test_processes(store: CheckpointStore, children: Children) -> None:
    """Four processes of four workers each wait for each outage, and no chunk fails."""
    with Service(TROUBLES) as service:
        processes = children.at_the_gate(4, RUNNER, service.port)
        children.pass_gate(processes)
        calls = sum(int(children.next_line(process)) for process in processes)  # waits as long as it takes
        check(store, service, calls)


def test_asyncio(store: CheckpointStore) -> None:
    """``amap`` with four workers waits for each outage, and no chunk fails."""
    job = store.open_job("f", chunks=PROMPTS)
    with Service(TROUBLES) as service:
        check(store, service, asyncio.run(map_async(job, service.port, WIDTH)))
