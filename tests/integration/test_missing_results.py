"""``results()`` of a job that is not finished: a hole in it is never passed over in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkNotCompleted, InvalidArgumentError, JobIncomplete, ProcessingState

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job


@dataclass
class Cleaned:
    text: str


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of five chunks, of which 1 and 3 are complete."""
    job = store.open_job("talk.srt", total_chunks=5)
    job.complete_many([(1, {"text": "choose"}), (3, {"text": "moon"})])
    return job


def test_results_of_an_unfinished_job_are_refused(job: Job) -> None:
    """The call says how many chunks are left, before anybody takes a part of the text for all of it."""
    with pytest.raises(JobIncomplete) as caught:
        job.results()
    assert (caught.value.job_id, caught.value.remaining_chunks) == (job.job_id, 3)
    assert "missing=" in str(caught.value)


def test_holes_are_passed_over_or_shown_where_the_caller_says_so(job: Job) -> None:
    """``"skip"`` yields what there is, ``"none"`` one item for each chunk; ``items()`` names the chunks."""
    first, second = {"text": "choose"}, {"text": "moon"}
    assert list(job.results(missing="skip")) == [first, second]
    assert list(job.results(missing="none")) == [None, first, None, second, None]
    assert list(job.results(Cleaned, "none")) == [None, Cleaned("choose"), None, Cleaned("moon"), None]
    assert list(job.items()) == [(1, first), (3, second)]


def test_results_of_a_finished_job_are_the_same_whatever_is_asked(job: Job, store: CheckpointStore) -> None:
    """A job without chunks is finished, too."""
    job.complete_many([(index, {"text": str(index)}) for index in (0, 2, 4)])
    kinds: tuple[Any, ...] = ("raise", "skip", "none")
    assert [[one["text"] for one in job.results(missing=kind)] for kind in kinds] == [
        ["0", "choose", "2", "moon", "4"]
    ] * 3
    assert list(store.open_job("empty.srt", chunks=[]).results()) == []


def test_a_chunk_that_was_completed_without_a_result_is_named(store: CheckpointStore, tmp_path: Path) -> None:
    """A state file may say that a chunk is done and have no result of it: that is a hole, though no chunk is left."""
    state = ProcessingState(
        version="1.2", job_id="old", status="completed", file_name="old.srt", total_chunks=2, completed_chunks=[0, 1],
        processed_results=["a"], result_indices=[1],
    )  # fmt: skip
    (tmp_path / "old.json").write_text(state.to_json())
    job = store.import_state(tmp_path / "old.json")
    with pytest.raises(ChunkNotCompleted, match="chunk 0 of job old was completed without a result"):
        list(job.results())
    assert list(job.results(missing="none")) == [None, "a"]


def test_an_unknown_way_to_treat_holes_is_refused(job: Job) -> None:
    """A misspelt one does not turn into one of the others."""
    with pytest.raises(InvalidArgumentError, match="missing"):
        job.results(missing="ignore")  # type: ignore[call-overload]
