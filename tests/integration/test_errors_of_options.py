"""A function that the caller gives a loop raises: the program is wrong, and no chunk is to blame."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore

CHUNKS = ["a", "b", "c"]
WORDS = "in a function of the caller's"


class Mistake(Exception):
    """An error of a function of the caller's."""


def mistake(*_: object) -> Any:
    raise Mistake(WORDS)


def fail_at_second(text: str) -> dict[str, Any]:
    """Fail at one chunk, so that the loop asks the functions about the failure."""
    if text == "b":
        raise ValueError(text)
    return {"text": text, "cost": 1.0}


OPTIONS: dict[str, dict[str, Any]] = {
    "retry_on": {"retry_on": mistake},
    "stop_on": {"stop_on": mistake},
    "stop_when": {"stop_when": mistake},
    "tokens": {"tokens": mistake, "max_tokens_per_minute": 1e9},
    "wait": {"wait": mistake, "retry_on": lambda _: True},
}


@pytest.mark.parametrize("in_block", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("option", OPTIONS)
def test_the_job_is_paused_with_the_message(
    store: CheckpointStore, option: str, workers: int, *, in_block: bool
) -> None:
    """The next run needs no ``retry_failed``, whichever function it was."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    with pytest.raises(Mistake), job if in_block else nullcontext():
        list(job.map(fail_at_second, workers=workers, **OPTIONS[option]))
    assert (job.status, (job.error_message or "").partition(" (")[0]) == ("paused", f"Mistake: {WORDS}")
    assert len(store.map(str.upper, CHUNKS, file_name="talk.srt")) == len(CHUNKS)


def test_a_function_that_raises_the_error_of_the_try_ends_the_loop_with_it(store: CheckpointStore) -> None:
    """The error is not its own cause."""

    def refuse(error: BaseException) -> bool:
        raise error

    job = store.open_job("talk.srt", chunks=CHUNKS)
    with pytest.raises(ValueError, match="b") as caught:
        list(job.map(fail_at_second, retry_on=refuse))
    assert (caught.value.__cause__, job.status) == (None, "paused")


def test_an_error_of_the_block_fails_the_job_also_if_its_words_are_those_of_a_pause(store: CheckpointStore) -> None:
    """The loop had paused the job for another exception with the same words."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    with pytest.raises(Mistake), job:
        list(job.map(mistake, stop_on=Mistake))
    assert job.status == "paused"
    with pytest.raises(Mistake), job:
        mistake()
    assert job.status == "failed"
