"""Exceptions of the work whose fields, notes and groups are not what one may expect."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import is_fatal, is_transient
from checkpoint_store.loop.service.service_errors import Trouble, trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store import CheckpointStore


class HostileError(Exception):
    """Every field that one may ask for raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class WithoutNotesError(Exception):
    """Its notes are no list of texts, and every other field is a function."""

    __notes__ = 5

    def __getattr__(self, name: str) -> Any:
        return WithoutNotesError


def nested() -> Exception:
    """Return a group in more groups than calls may be nested."""
    error: Exception = ValueError("no")
    for _ in range(5000):
        error = ExceptionGroup("one", [error])
    return error


@pytest.mark.parametrize("make", [lambda: HostileError("no"), WithoutNotesError, nested])
def test_an_error_whose_fields_raise_is_a_failure_like_any_other(
    store: CheckpointStore, make: Callable[[], Exception]
) -> None:
    """Reading it never fails: its chunk is failed after all its tries, here or in another process; the others are done."""
    error = make()
    assert (trouble_of(error), is_transient(error), is_fatal(error), retry_after(error)) == (
        Trouble.NONE, True, False, None,
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(Raised(error))).as_failure() is not None

    def work(text: str) -> str:
        if text == "b":
            raise make()
        return text

    job = store.open_job("f", chunks=["a", "b", "c"])
    assert [item.index for item in job.map(work, on_error="record", wait=0)] == [0, 2]
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    assert len(list(job.attempts())) == 5
