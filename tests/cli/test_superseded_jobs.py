"""A job that another one of its file took the place of is ``superseded``: one word, in every command and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, report
from tests.report.pages import facts

if TYPE_CHECKING:
    from checkpoint_store import Job

    from .conftest import Folder


def left(store: CheckpointStore, file_name: str, model: str, how: str) -> Job:
    """Open a job of three chunks, complete one, and leave the job in this state."""
    job = store.open_job(file_name, chunks=["a", "b", "c"], model=model, on_change="restart")
    next(iter(job.pending())).complete("A")
    if how == "paused":
        job.pause()
    if how == "failed":
        job.fail("no")
    return job


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["interrupted", "paused", "failed"])
def test_one_word_for_a_job_that_another_one_superseded(folder: Folder, how: str) -> None:
    """Every table, document and page calls a superseded job superseded, and names the job that superseded it."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        before = left(store, "a.txt", "old", how)
        after = left(store, "a.txt", "new", how)
    with CheckpointStore(folder.path / ".processing_state.db", read_only=True) as store:
        page = report.write(store, folder.path / "page.html")
        assert repr(store.job(before.job_id)).count("superseded") == 1
    listed = folder.json("list")["jobs"]
    assert [one["shown_status"] for one in listed] == [how, "superseded"]
    assert [facts(page, place)["status"] for place in (0, 1)] == [how, "superseded"]
    for document in (listed[1], folder.json("show", before.job_id), folder.json("errors", before.job_id)):
        assert (document["shown_status"], document["is_interrupted"]) == ("superseded", False)
        assert document["superseded_by"] == after.job_id
    shown = folder.run("show", before.job_id).stdout
    assert "  status   superseded\n" in shown
    assert f"superseded by job {after.job_id[:8]}, which was opened later for this file" in shown
    assert f"superseded by job {after.job_id[:8]}" in folder.run("errors", before.job_id).stderr
    assert "superseded, 1 of 3" in folder.run("prune", "--keep-last", "1").stdout
    assert "superseded" in folder.run("delete", before.job_id).stderr
    assert [one["job_id"] for one in folder.json("list", "--status", "superseded")["jobs"]] == [before.job_id]
    assert folder.run("show", before.job_id, "--follow").stdout.count("superseded") == 1


def test_no_time_is_left_for_a_superseded_job(folder: Folder) -> None:
    """Nobody goes on with it, so no command says how long the rest would take."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        before = store.open_job("a.txt", chunks=["a", "b", "c"], model="old")
        for chunk, _ in zip(before.pending(), "ab", strict=False):
            chunk.complete("A")
        before.pause()
        assert before.summary().seconds_left is not None
        store.open_job("a.txt", chunks=["a", "b", "c"], model="new", on_change="restart")
    assert [one["seconds_left"] for one in folder.json("list")["jobs"]] == [None, None]
    assert "TIME LEFT" not in folder.run("list").stdout


def test_a_superseded_job_at_work_and_a_complete_one_keep_their_status(folder: Folder) -> None:
    """What somebody works on is running, and what is complete has nothing left."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        done = store.open_job("a.txt", chunks=["a"])
        done.complete(0, "A")
        at_work = store.open_job("b.txt", chunks=["a", "b"])
        chunks = at_work.pending()
        next(chunks).complete("A")
        store.open_job("a.txt", chunks=["x"], on_change="restart")
        store.open_job("b.txt", chunks=["x"], on_change="restart")
        status_of = {one.job_id: one.shown_status for one in store.summaries()}
        assert (status_of[done.job_id], status_of[at_work.job_id]) == ("completed", "running")
        assert store.job(done.job_id).superseded_by is not None


def test_a_superseded_job_that_goes_on_is_interrupted_again(folder: Folder) -> None:
    """The job of the plan that was opened last is superseded by none."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        before = left(store, "a.txt", "old", "interrupted")
        left(store, "a.txt", "new", "interrupted")
    assert folder.json("show", before.job_id)["shown_status"] == "superseded"
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        left(store, "a.txt", "old", "interrupted")
    assert folder.json("show", before.job_id)["shown_status"] == "interrupted"
