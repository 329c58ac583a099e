"""How long a chunk waits for its next try: with nothing installed, by a function, or by an object of tenacity's."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError
from checkpoint_store.loop.service.retry_policy import pause_before_retry

if TYPE_CHECKING:
    from conftest import Children

DOWN = ConnectionError("the line is down")


def test_pauses_grow_and_differ() -> None:
    """Doubled from half a second to a minute, and as much again at random; also after a million tries."""
    for tries, least in ((1, 0.5), (2, 1.0), (3, 2.0), (8, 60.0), (10**6, 60.0)):
        pauses = [pause_before_retry(None, tries, DOWN) for _ in range(50)]
        assert least <= min(pauses) < max(pauses) <= 2 * least
        assert len(set(pauses)) > 25


def test_retry_after_comes_first_with_jitter() -> None:
    """Callers that were turned away at the same moment do not come back at the same moment."""
    error = ConnectionError()
    error.response = SimpleNamespace(headers={"retry-after": "7"})  # type: ignore[attr-defined]
    pauses = {pause_before_retry(0, 1, error) for _ in range(20)}
    assert 7 <= min(pauses) < max(pauses) <= 7.5


def test_a_retry_needs_nothing_installed(children: Children) -> None:
    """A plain install goes on after a failure, in ``map``; the command needs no tenacity either."""
    assert children.run(program(__file__, "without_tenacity")) == "['a'] 2\n"


def test_waits_of_tenacity_are_welcome() -> None:
    """A wait of tenacity is asked as tenacity would ask it, with the number of the try and the exception."""
    assert pause_before_retry(tenacity.wait_fixed(3) + tenacity.wait_fixed(4), 1, DOWN) == 7
    assert pause_before_retry(tenacity.wait_incrementing(start=1, increment=2), 3, DOWN) == 5
    by_error = tenacity.wait_exception(lambda error: 9 if error is DOWN else 1)
    assert pause_before_retry(by_error, 1, DOWN) == 9


@each_case("answer", [None, -1, float("nan"), float("inf"), "soon", True], ids=repr)
def test_a_wait_that_gives_no_seconds_says_so_and_what_failed(store: CheckpointStore, answer: Any) -> None:
    """The loop ends; the error of the work is its cause."""

    def fail(_: str) -> None:
        raise DOWN

    job = store.open_job("f", chunks=["a", "b"])
    with pytest.raises(InvalidArgumentError, match=r"wait=.*no number of seconds") as caught:
        list(job.map(fail, wait=lambda _: answer))
    assert caught.value.__cause__ is DOWN
    assert job.running_chunks() == []


@each_case("wait", [float("inf"), True, -0.1, "1"], ids=repr)
def test_a_wait_that_is_none_is_refused_before_the_first_call(store: CheckpointStore, wait: Any) -> None:
    """A ``wait=`` that is no time is refused before the first call, because it would never end."""
    job = store.open_job("f", chunks=["a"])
    with pytest.raises(InvalidArgumentError, match="wait="):
        job.map(pytest.fail, wait=wait)


def test_nothing_is_imported_for_a_retry() -> None:
    """The package works without tenacity, and leaves it to those who have it."""
    import checkpoint_store.loop.service.retry_policy

    assert "tenacity" not in vars(checkpoint_store.loop.service.retry_policy)
    assert "tenacity" in sys.modules
