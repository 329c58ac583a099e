"""The error that ended a loop whose body has a handler of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job

WHY = "the answer cannot be read"


def ask() -> None:
    raise ValueError(WHY)


def handle_another_error(job: Job) -> None:
    for chunk in job.pending():
        try:
            ask()
        except OSError as error:
            chunk.fail(error)


def fail_and_raise_again(job: Job) -> None:
    for chunk in job.pending():
        try:
            ask()
        except ValueError as error:
            chunk.fail(error)
            raise


def tidy_up(job: Job) -> None:
    for item in job.map(str.upper):
        try:
            ask()
        finally:
            assert item.result == "A"


def raise_after_a_break(job: Job) -> None:
    for chunk in job.pending():
        try:
            break
        finally:
            assert chunk.index == 0
    ask()


def catch_and_raise_later(job: Job) -> None:
    try:
        for chunk in job.pending():
            try:
                ask()
            except OSError as error:
                chunk.fail(error)
    except ValueError:
        assert job.status == "running"
    ask()


def state_after(path: Path, work: Callable[[Job], None]) -> tuple[str, str | None]:
    with pytest.raises(ValueError, match=WHY), CheckpointStore(path) as store:
        work(store.open_job("talk.srt", chunks=["a", "b"]))
    with CheckpointStore(path, read_only=True) as store:
        job = store.job("talk.srt")
        return job.status, job.error_message


@pytest.mark.slow_variants
@pytest.mark.parametrize("work", [handle_another_error, fail_and_raise_again, tidy_up])
def test_an_error_that_passes_a_handler_in_the_body_is_kept(tmp_path: Path, work: Callable[[Job], None]) -> None:
    """The next look at the job says why its loop ended, also if the body of the loop has a ``try``."""
    assert state_after(tmp_path / "talks.db", work) == ("failed", f"ValueError: {WHY}")


@pytest.mark.parametrize("work", [raise_after_a_break, catch_and_raise_later])
def test_an_error_after_the_loop_is_not_taken_for_its_end(tmp_path: Path, work: Callable[[Job], None]) -> None:
    """A loop that was left on purpose, or whose error was caught, is not blamed for a later error."""
    assert state_after(tmp_path / "talks.db", work) == ("running", None)
