"""A job that begins while the store has paid results of the same file and settings: the log says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import ProcessingState, StateManager

from .manager_tools import warned

if TYPE_CHECKING:
    from conftest import Children, Opener


def a_state(**changes: Any) -> ProcessingState:
    """A state of the same file and settings each time, and of a job of its own."""
    values = {"file_name": "talk.txt", "model": "m", "total_chunks": 2, "status": "running", "config": {"size": [1]}}
    return ProcessingState(**values | changes)


@pytest.fixture
def whole(manager: StateManager) -> ProcessingState:
    """The state of a complete job."""
    state = a_state()
    manager.save(state)
    for index in range(2):
        manager.update_chunk_complete(index, {"text": "x"})
    return state


def test_a_job_that_begins_anew_says_what_is_there(
    manager: StateManager, whole: ProcessingState, caplog: pytest.LogCaptureFixture, open_store: Opener
) -> None:
    """A processor that asks has_incomplete_job, and was killed between its last chunk and its output, pays again."""
    assert not manager.has_incomplete_job()
    again = a_state()
    with pytest.warns(UserWarning, match="has 2 of 2 chunks, and is complete"):
        manager.save(again)
    (line,) = warned(caplog)
    assert f"job {again.job_id} of 'talk.txt' begins without results, while job {whole.job_id}" in line
    assert "has 2 of 2 chunks" in line
    manager.save(again.replace(video_title="a title"))
    assert len(warned(caplog)) == 1
    manager.save(open_store("state.db", state_file=None).job(whole.job_id).state())  # as the line says
    state = manager.load()
    assert state is not None
    assert sorted(state.results()) == [0, 1]


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "changes",
    [
        {"file_name": "other.txt"},
        {"model": "n"},
        {"total_chunks": 3},
        {"config": {"size": [2]}},
        {"completed_chunks": [0], "processed_results": ["a"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_job_begins_without_a_word(
    manager: StateManager, whole: ProcessingState, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    """Another file or other settings, or a state that brings its results along."""
    assert whole.file_name == "talk.txt"
    manager.save(a_state(**changes))
    assert warned(caplog) == []


def test_a_job_without_results_is_nothing_to_go_on_with(
    manager: StateManager, caplog: pytest.LogCaptureFixture
) -> None:
    """A new job that begins after a cleared job, or after a job without results, gets no warning."""
    manager.save(a_state())
    manager.save(a_state())
    manager.update_chunk_complete(0, "a")
    manager.clear()
    manager.save(a_state())
    assert warned(caplog) == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("saves",)], ids=["update_chunk_complete", "save"])
def test_the_plans_loop_that_was_killed_behind_its_last_chunk_is_told(
    children: Children, words: tuple[str, ...]
) -> None:
    """A program that would pay again for a killed job with all results gets a warning with the way to keep them."""
    loop = program(__file__, "loop_of_the_plan")
    first = children.run(loop, "killed", *words, code=-9)
    assert first.split() == ["paid"] * 3
    again = children.run(loop, "warned", *words)
    ended = children.run(loop, "ends", *words)
    for said in (again, ended):
        assert "has 3 of 3 chunks, and is complete. To take its results, and pay for none of them again" in said
    assert ended.count("paid") == 3


def test_the_loop_of_the_page_pays_nothing_again(children: Children) -> None:
    """The loop of the documentation takes up a killed job whose chunks are complete, and pays for none again."""
    loop = program(__file__, "loop_of_the_plan")
    children.run(loop, "killed", code=-9)
    assert children.run(loop, "goes on") == ""
