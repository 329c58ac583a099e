"""A function that forgets its ``return``: the answers are paid for, and each chunk would get None without a word."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ResultIsNone

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore

CHUNKS = ("a", "b", "c", "d")
MESSAGE = r"returned None for chunk 0, .*job\.redo\(\[0\]\)"


def forgets(text: str) -> None:
    """Do the work, and return nothing."""
    text.upper()


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 2])
def test_a_loop_warns_at_its_first_none(store: CheckpointStore, workers: int) -> None:
    """Once, at the line of the caller, and before the rest is paid for; each result is recorded as it is."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    with pytest.warns(ResultIsNone, match=MESSAGE) as caught:
        seen = [(len(caught), item.result) for item in job.map(forgets, workers=workers, ordered=True)]
    assert (seen, caught[0].filename) == ([(1, None)] * 4, __file__)
    assert list(job.results()) == [None] * 4


def test_an_asynchronous_loop_warns_at_its_first_none(store: CheckpointStore) -> None:
    """``amap`` records None as a result, as a loop of threads does."""

    async def forgets_too(text: str) -> None:
        forgets(text)

    async def work() -> None:
        async for _ in store.open_job("talk.srt", chunks=CHUNKS).amap(forgets_too, ordered=True):
            pass

    with pytest.warns(ResultIsNone, match=MESSAGE) as caught:
        asyncio.run(work())
    assert len(caught) == 1


def test_where_warnings_are_errors_the_loop_ends_before_it_pays_for_the_rest(store: CheckpointStore) -> None:
    """What the message says goes on: the mended function does the chunk again, and the rest."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    with pytest.raises(ResultIsNone, match=MESSAGE):
        list(job.map(forgets))
    assert list(job.items()) == [(0, None)]
    job.redo([0])
    list(job.map(str.upper))
    assert list(job.results()) == ["A", "B", "C", "D"]
    job.redo([3])
    with pytest.raises(ResultIsNone, match="chunk 3"):
        list(job.map(forgets))
    assert (job.status, list(job.results())) == ("completed", ["A", "B", "C", None])


def test_a_program_that_means_none_can_say_so(store: CheckpointStore) -> None:
    """A filter of Python, as the message has it; and no other result is asked about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultIsNone)
        assert store.map(forgets, CHUNKS, file_name="talk.srt") == [None] * 4
    assert store.map(lambda _: [None, "", 0, False], ["e"], file_name="other.srt") == [[None, "", 0, False]]
