"""A plan is edited, and the edit undone, while a loop over the first job waits in the body of its caller."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StoreBusy
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

CHUNKS = list("abcd")
paid: Counter[str] = Counter()


def work(text: str) -> dict[str, Any]:
    """Pay for a chunk."""
    paid[text] += 1
    return {"text": text}


def by_map(job: Job) -> Iterator[object]:
    """Work off a job by its own loop."""
    yield from job.map(work)


def by_hand(job: Job) -> Iterator[object]:
    """Work off a job by a loop of the caller's."""
    for chunk in job.pending():
        chunk.complete(work(chunk.data))
        yield chunk.index


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("loop", [by_map, by_hand])
def test_a_chunk_that_the_edited_job_paid_for_is_not_paid_for_again(
    store: CheckpointStore, loop: Any, *, sequential: bool
) -> None:
    """The completion before had claimed the next chunk for the waiting loop; the opening gives it its result anyway."""
    paid.clear()
    plan: dict[str, Any] = {"sequential": sequential, "on_change": "reuse"}
    waiting = loop(store.open_job("talk.txt", chunks=CHUNKS, **plan))
    next(waiting)
    next(waiting)
    store.map(work, [*CHUNKS, "e"], file_name="talk.txt", **plan)
    job = store.open_job("talk.txt", chunks=CHUNKS, **plan)
    assert (list(waiting), job.remaining(), job.status) == ([], [], "completed")
    assert paid == Counter("abcde")


def test_a_write_in_another_thread_does_not_keep_the_result_from_the_job(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claimed chunk is freed by the opening itself, also where nothing else can be written just before."""
    paid.clear()
    plan: dict[str, Any] = {"on_change": "reuse"}
    waiting = by_map(store.open_job("talk.txt", chunks=CHUNKS, **plan))
    next(waiting)
    next(waiting)
    open_store().map(work, [*CHUNKS, "e"], file_name="talk.txt", **plan)

    def busy(*_: object) -> None:
        raise StoreBusy(store.path, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(ClaimStorage, "release", busy)
        job = store.open_job("talk.txt", chunks=CHUNKS, **plan)
    assert (list(waiting), job.remaining()) == ([], [])
    assert paid == Counter("abcde")
