"""The attempt at a claimed chunk, as the work on the chunk sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.handles import HandleRecorder
from checkpoint_store.model.attempt import Attempt, attempt_key

if TYPE_CHECKING:
    from checkpoint_store.execution.chunk_contents import ChunkContents
    from checkpoint_store.execution.chunk_order import ChunkOrder
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.model.keys import Key
    from checkpoint_store.storage.handle_verbs import HandleStorage


def attempt_of(
    chunk: ClaimedChunk,
    job_id: str,
    contents: ChunkContents,
    order: ChunkOrder | None,
    handles: HandleStorage,
    *,
    key: Key | None,
    handle: str | None,
) -> Attempt:
    """Return the attempt at a claimed chunk. ``order``: the order of a sequential job, for the result before it."""
    index = chunk.index
    fingerprint = contents.fingerprint(index)
    return Attempt(
        job_id,
        index,
        chunk.number,
        attempt_key(job_id, index, fingerprint),
        None if order is None else order.previous(index),
        handle,
        key,
        HandleRecorder(handles, job_id, index, fingerprint),
    )
