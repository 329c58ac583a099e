"""What a job and its store say of themselves at a prompt."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore, Job, PendingChunk, StateManager

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


def test_a_job_says_its_status_and_progress(store: CheckpointStore, open_store: Opener) -> None:
    """A person at a prompt sees how far the job is, as the store has it now, whoever recorded it."""
    job = store.open_job("talk.srt", total_chunks=3)
    open_store().job(job.job_id).complete(0, "one")
    with closing(job.pending()) as chunks:
        next(chunks)
        assert repr(job) == f"<Job {job.job_id} of 'talk.srt', running, 1 of 3 chunks completed>"
    job.pause()
    assert repr(job) == f"<Job {job.job_id} of 'talk.srt', paused, 1 of 3 chunks completed>"


def test_a_prompt_and_a_notebook_agree_on_what_is_interrupted(store: CheckpointStore) -> None:
    """A job that a loop left with chunks undone is interrupted in each place that shows it."""
    job = store.open_job("talk.srt", total_chunks=3)
    with closing(job.pending()) as chunks:
        next(chunks).complete("one")
    store.open_job("talk.srt", total_chunks=3)
    assert repr(job) == f"<Job {job.job_id} of 'talk.srt', interrupted, 1 of 3 chunks completed>"
    assert "<td>interrupted</td>" in job._repr_html_()


def test_a_notebook_says_100_percent_of_what_is_complete_alone(store: CheckpointStore) -> None:
    """199 of 200 chunks are 99%, as in every other place."""
    job = store.open_job("talk.srt", total_chunks=200)
    job.complete_many((index, index) for index in range(199))
    assert "199 of 200 chunks (99%)" in job.progress()._repr_html_()


def test_what_is_shown_never_raises(store: CheckpointStore) -> None:
    """A traceback or a debugger that shows a job whose store is closed, or that was deleted, shows it all the same."""
    job = store.open_job("talk.srt", total_chunks=3)
    chunk = next(job.pending())
    store.delete_job(job.job_id)
    assert repr(job) == f"<Job {job.job_id} of 'talk.srt', 3 chunks>"
    store.close()
    assert repr(job) == f"<Job {job.job_id} of 'talk.srt', 3 chunks>"
    assert repr(job) in repr(chunk)


def test_the_faces_offer_what_a_user_may_call() -> None:
    """Help shows no door into the machinery: what other modules need is not public."""
    inner = {"work", "take_up", "leave", "trouble", "costs_after", "save_state", "current_state", "clear_job"}
    inner |= {"current_job_row", "complete_current"}
    assert [name for face in (Job, CheckpointStore, PendingChunk) for name in inner if hasattr(face, name)] == []


def test_a_manager_says_its_state_file_and_opens_nothing(tmp_path: Path) -> None:
    """A manager at a prompt shows the path of its state file; no file is made for that."""
    path = tmp_path / "talk.json"
    assert repr(StateManager(path)) == f"<StateManager {str(path)!r}>"
    assert list(tmp_path.iterdir()) == []
