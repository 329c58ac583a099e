"""A typed result that would come back different stops the loop at the first one, and its value is kept."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NewType

import pytest

from checkpoint_store import InvalidArgumentError, InvalidResultError

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


@dataclass
class Answer:
    text: str
    extra: Any = None


def plain(text: str) -> Answer:
    return Answer(text.upper(), ["a"])


def with_tuple(text: str) -> Answer:
    return Answer(f"paid for {text}", ("a", "b"))


@pytest.mark.slow_variants
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_it_is_noticed_when_it_is_stored(store: CheckpointStore, where: str) -> None:
    """A loop stops at the first result that would not come back equal; its error has the value, or a copy of it."""
    job = store.open_job("f", chunks=["a", "b", "c"])
    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn")) if where == "elsewhere" else None
    with pytest.raises(InvalidResultError, match=r"result\.extra would not come back") as caught:
        list(job.map(with_tuple, executor=executor, on_error="record"))
    if executor is not None:
        executor.shutdown()
    assert "paid for a" in str(caught.value.result)
    assert "paid for a" in str(job.errors()[0].error)
    assert job.progress().completed_chunks == 0
    list(job.map(plain))
    assert list(job.results(as_type=Answer)) == [Answer(letter, ["a"]) for letter in "ABC"]


def test_complete_refuses_it_too(store: CheckpointStore) -> None:
    """``complete`` raises InvalidResultError too, with the very value in it."""
    job = store.open_job("f", total_chunks=1)
    value = Answer("a", (1,))
    with pytest.raises(InvalidResultError) as caught:
        job.complete(0, value)
    assert (caught.value.result, caught.value.path) == (value, "result.extra")


@pytest.mark.parametrize("given", ["skip", Answer("a")], ids=["text", "object"])
def test_what_is_no_type_is_no_fault_of_a_result(store: CheckpointStore, given: Any) -> None:
    """If ``as_type`` is an object of a class, or a text meant for ``missing``, the error names the argument."""
    job = store.open_job("f", chunks=["a"])
    with pytest.raises(InvalidArgumentError, match=r"as_type=.*is no type"):
        job.results(given)
    list(job.map(plain))
    for read in (lambda: job.result(0, given), lambda: next(job.items(given))):
        with pytest.raises(InvalidArgumentError, match=r"as_type=.*is no type"):
            read()


@pytest.mark.parametrize("given", [Any, Answer | None, dict[str, Any], NewType("Named", dict)], ids=str)
def test_other_forms_of_a_type_are_taken(store: CheckpointStore, given: Any) -> None:
    """``as_type`` may be a union, a generic type, a NewType or Any."""
    job = store.open_job("f", chunks=["a"])
    list(job.map(plain))
    assert len(list(job.results(given))) == 1
