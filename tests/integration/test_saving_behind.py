"""save(state) of lists that were arranged anew, while the store has more, or newer, results than the loaded state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ProcessingState, StateFormatError

from .manager_tools import loaded, reverse_both, sort_both

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ManagerOpener

    from checkpoint_store import StateManager


@pytest.mark.parametrize("arrange", [sort_both, reverse_both])
def test_results_that_are_sorted_stay_at_their_chunks_if_the_store_has_a_newer_result(
    manager: StateManager, arrange: Callable[[dict[str, Any]], None]
) -> None:
    """A result that the manager loaded tells the pairing, though its chunk was done again since."""
    state = state_behind(manager, "result 2", arrange)
    manager.save(state)
    assert loaded(manager).results() == {0: "result 0", 1: "result 1", 2: "result 2 again"}


@pytest.mark.parametrize("again", [[], [1], [1, 2]], ids=["none", "one", "both"])
def test_reversed_results_stay_at_their_chunks_if_the_store_has_more_by_now(
    manager: StateManager, again: list[int]
) -> None:
    """A result that was recorded after the load changes nothing about the lists of the loaded state."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk in (1, 2):
        manager.update_chunk_complete(chunk, f"result {chunk}")
    data = loaded(manager).to_dict()
    manager.update_chunk_complete(0, "result 0")
    for chunk in again:
        manager.update_chunk_complete(chunk, f"result {chunk} again")
    before = loaded(manager).results()
    reverse_both(data)
    manager.save(ProcessingState.from_dict(data))
    assert loaded(manager).results() == before


@pytest.mark.parametrize("indices", [[0, 2], []], ids=["as loaded", "left out"])
def test_sorted_results_that_name_their_chunks_stay_at_them(manager: StateManager, indices: list[int]) -> None:
    """The ``chunk_index`` of a new result and of a changed one tells which is which."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    results = [{"chunk_index": chunk, "text": f"result {chunk}"} for chunk in range(3)]
    for chunk in (0, 2):
        manager.update_chunk_complete(chunk, results[chunk])
    data = loaded(manager).to_dict() | {"result_indices": indices}
    results[2] = {"chunk_index": 2, "text": "result 2 by hand"}
    data["completed_chunks"], data["processed_results"] = [0, 1, 2] if indices else [0, 2, 1], results
    manager.save(ProcessingState.from_dict(data))
    assert loaded(manager).results() == dict(enumerate(results))


@pytest.mark.parametrize(("fresh", "result"), [(True, "result 2"), (False, "result 2 by hand")])
def test_sorted_results_that_nothing_tells_apart_are_refused(
    manager: StateManager, make_manager: ManagerOpener, fresh: bool, result: str
) -> None:
    """Where a changed result and a new one may belong to either of two chunks, nothing is saved."""
    state = state_behind(manager, result, sort_both)
    before = loaded(make_manager())
    if fresh:
        manager.close()
    saver = make_manager() if fresh else manager
    with pytest.raises(StateFormatError, match=r"^result_indices .*: let it name the chunk of each result"):
        saver.save(state)
    assert loaded(saver) == before
    saver.save(state.replace(result_indices=[0, 1, 2]))
    assert loaded(saver).results()[1] == "result 1"


def state_behind(manager: StateManager, result: str, arrange: Callable[[dict[str, Any]], None]) -> ProcessingState:
    """A loaded state with a new result 1, and with this result of chunk 2, which was done again meanwhile."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk in (0, 2):
        manager.update_chunk_complete(chunk, f"result {chunk}")
    data = loaded(manager).to_dict()
    manager.update_chunk_complete(2, "result 2 again")
    data["completed_chunks"].append(1)
    data["processed_results"][1:] = [result, "result 1"]
    arrange(data)
    return ProcessingState.from_dict(data)
