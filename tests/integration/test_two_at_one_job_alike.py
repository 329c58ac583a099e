"""Two programs go on with one job, and their answers are equal: they pay twice all the same, and are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkOutOfRange, ProcessingState, StateManager
from checkpoint_store.execution.execution import JobExecution

from .manager_tools import warned

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ManagerOpener

    from checkpoint_store.storage.records.records import Completion


@pytest.fixture
def other(manager: StateManager, make_manager: ManagerOpener) -> StateManager:
    """The manager of another program, which goes on with the job of the first one."""
    manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=4, status="running"))
    manager.update_chunk_complete(0, "a")
    made = make_manager()
    state = made.load()
    assert state is not None
    made.save(state.replace(status="running"))
    return made


@pytest.mark.slow_variants
@pytest.mark.parametrize("status", ["running", "failed"])
def test_two_programs_with_equal_answers_are_told(manager: StateManager, other: StateManager, status: str) -> None:
    """Once, at the first chunk that both have paid for, whatever the job's status is by then."""

    def record_twice(index: int) -> None:
        manager.update_chunk_complete(index, "x")
        manager.set_status(status)
        other.update_chunk_complete(index, "x")

    with pytest.warns(UserWarning, match="another program recorded chunk 1 of job j meanwhile: .* twice") as caught:
        list(map(record_twice, (1, 2)))
    assert [warning.filename for warning in caught] == [__file__]


def test_who_does_the_last_chunk_too_is_told(manager: StateManager, other: StateManager) -> None:
    """The job is complete by then: it has the same results as if one program had done it."""
    for index in (1, 2):
        manager.update_chunk_complete(index, "x")
    manager.update_chunk_complete(3, "x")
    with pytest.warns(UserWarning, match="another program recorded chunk 3"):
        other.update_chunk_complete(3, "x")
    state = manager.load()
    assert state is not None
    assert (state.status, len(state.results())) == ("completed", 4)


def test_a_program_that_records_its_own_chunk_again_is_told_nothing(
    manager: StateManager, other: StateManager, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that records again what it recorded or loaded, or that names no chunk, gets no warning."""
    manager.update_chunk_complete(1, "x")
    manager.update_chunk_complete(1, "x")
    other.load()
    other.update_chunk_complete(0, "a")
    other.update_chunk_complete(1, "x")
    no_chunks: list[Any] = [-1, 4, 2**70, True, [], None]
    for wrong in no_chunks:
        with pytest.raises(ChunkOutOfRange):
            other.update_chunk_complete(wrong, "x")
    assert warned(caplog) == []


def test_who_repeats_an_interrupted_call_is_told_nothing(
    manager: StateManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunk was recorded just before the interrupt, by this program itself."""
    manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=4, status="running"))
    submit: Callable[..., None] = JobExecution.submit

    def interrupted(self: JobExecution, completions: list[Completion], **how: bool) -> None:
        submit(self, completions, **how)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(JobExecution, "submit", interrupted)
        manager.update_chunk_complete(0, "a")
    manager.update_chunk_complete(0, "a")
    assert warned(caplog) == []
