"""What the tests of state share."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import strategies as st

from checkpoint_store.errors import StateFormatError
from checkpoint_store.model.state.state import ProcessingState

FIELDS = [
    "version",
    "job_id",
    "status",
    "file_name",
    "video_title",
    "model",
    "provider",
    "total_chunks",
    "completed_chunks",
    "processed_results",
    "started_at",
    "updated_at",
    "error_message",
    "config",
    "result_indices",
    "metadata",
    "redo_chunks",
]


PLAIN: dict[str, Any] = {
    "version": "1.0",
    "job_id": "3f2b8c1e-9d4a-4e6f-8a1b-2c3d4e5f6a7b",
    "status": "paused",
    "file_name": "lecture.srt",
    "video_title": "Rice",
    "model": "small",
    "provider": "local",
    "total_chunks": 4,
    "completed_chunks": [0, 2],
    "processed_results": [{"cleaned_text": "We choose"}, {"cleaned_text": "to go"}],
    "started_at": "2024-01-02T03:04:05.678Z",
    "updated_at": "2024-01-02T03:05:05.678Z",
    "error_message": None,
    "config": {"chunk_size": 2000, "stop": ["<eos>"]},
    "result_indices": [0, 2],
    "metadata": {"owner": "Ana", "estimate": {"cost": 1.5}},
    "redo_chunks": [],
}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def state(**changes: Any) -> ProcessingState:
    """A state of four chunks with some fields changed."""
    return ProcessingState.from_dict({**copy.deepcopy(PLAIN), **changes})


def refused(**changes: Any) -> StateFormatError:
    """The error that such a state raises."""
    with pytest.raises(StateFormatError) as caught:
        state(**changes)
    return caught.value
