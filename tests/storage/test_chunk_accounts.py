"""What a chunk took: its tries, their time, and what was paid in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store.model.money import ChunkAccount

if TYPE_CHECKING:
    from conftest import Opener


@pytest.mark.parametrize("read_only", [False, True])
def test_the_account_of_each_chunk(open_store: Opener, *, read_only: bool) -> None:
    """Tries and their costs are added up, and what another job paid is told apart."""
    store = open_store()
    store.open_job("talk.txt", chunks=["a", "b"]).complete(0, "A")
    job = store.open_job("talk.txt", chunks=["a", "b", "c", "d", "e"], on_change="reuse")
    job.fail_chunk(1, "no answer", cost=0.25)
    job.fail_chunk(1, "no answer", cost=0.5)
    job.complete(1, "B")
    job.fail_chunk(2, "no answer")
    found = open_store(read_only=read_only)._context.reading.chunks.accounts(job.job_id)
    seconds = {index: account.seconds for index, account in found.items()}
    assert found == {
        0: ChunkAccount(is_carried=True),
        1: ChunkAccount(attempts=2, seconds=seconds[1], failed_cost=0.75),
        2: ChunkAccount(attempts=1, seconds=seconds[2]),
    }
