"""Stores with the same sequential job are merged: what follows other results than those that are here is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Opener

PAGES = [f"page {number}" for number in range(6)]


def test_what_goes_on_from_the_same_results_is_taken(open_store: Opener) -> None:
    """Another machine went on from a copy of the beginning: its results, and the handle behind them."""
    here, there = open_store("here.db"), open_store("there.db")
    for store, count in ((here, 2), (there, 4)):
        job = store.open_job("book.txt", chunks=PAGES, sequential=True)
        job.complete_many([(index, f"result {index}") for index in range(count)])
    there.job("book.txt").record_handle(4, "batch-1")
    there.close()
    (merged,) = here.merge(there.path).jobs
    job = here.job("book.txt")
    assert (merged.added_chunks, merged.contradictions, job.remaining()) == (2, (), [range(4, 6)])
    assert next(job.pending()).handle == "batch-1"


def test_what_follows_another_result_is_not_taken(open_store: Opener) -> None:
    """A merge takes no sequential result, and no handle, that was made from another result than the store has."""
    here, there = open_store("here.db"), open_store("there.db")
    for store, count in ((here, 2), (there, 4)):
        job = store.open_job("book.txt", chunks=PAGES, sequential=True)
        job.complete(0, "the same")
        job.complete_many([(index, f"{store.path.stem} {index}") for index in range(1, count)])
    there.job("book.txt").record_handle(4, "batch-1")
    there.close()
    (merged,) = here.merge(there.path).jobs
    job = here.job("book.txt")
    assert (merged.added_chunks, merged.contradictions) == (0, (1, 2, 3))
    assert list(job.results(missing="skip")) == ["the same", "here 1"]
    job.complete_many([(2, "here 2"), (3, "here 3")])
    assert next(job.pending()).handle is None
