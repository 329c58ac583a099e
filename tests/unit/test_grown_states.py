"""A state of an input that has more chunks than it had."""

from __future__ import annotations

import pytest

from checkpoint_store import ProcessingState, StateFormatError


def test_a_chunk_behind_the_last_one_says_what_to_change() -> None:
    """The input has grown, and the processor went on with the old state: the error names the field to change, too."""
    state = ProcessingState(total_chunks=1, completed_chunks=[0], processed_results=["a"])
    with pytest.raises(StateFormatError, match="if the input has more chunks by now, change total_chunks, too"):
        state.replace(completed_chunks=[0, 1], processed_results=["a", "b"])
    grown = state.replace(total_chunks=2, completed_chunks=[0, 1], processed_results=["a", "b"])
    assert grown.results() == {0: "a", 1: "b"}
    with pytest.raises(StateFormatError, match=r"\[0\] is -1, but total_chunks is 1$"):
        state.replace(completed_chunks=[-1])
