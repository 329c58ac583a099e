"""What is interrupted is so in every command that tells where a job stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from tests.cli.conftest import Folder


def test_all_commands_agree_on_what_is_interrupted(folder: Folder) -> None:
    """A job that a loop left is interrupted in list, show, errors and prune, in tables and in documents."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("a.txt", chunks=["a", "b", "c"])
        next(iter(job.pending())).complete("A")
        # A store that closes takes its runner along; the status that is recorded stays.
    with CheckpointStore(folder.path / ".processing_state.db", read_only=True) as store:
        assert store.job(job.job_id).summary().is_interrupted
    assert "interrupted" in folder.run("list").stdout
    assert "  status   interrupted\n" in folder.run("show").stdout
    assert "is interrupted: nobody works on it, and 2 chunks of it are" in folder.run("errors", job.job_id).stderr
    documents = [folder.json("list")["jobs"][0], folder.json("show"), folder.json("errors", job.job_id)]
    assert [(one["status"], one["is_interrupted"]) for one in documents] == [("running", True)] * 3


def test_a_job_at_work_is_interrupted_nowhere(folder: Folder) -> None:
    """As long as a runner is alive, no command says that it is gone."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("a.txt", chunks=["a", "b", "c"])
        chunks = job.pending()
        next(chunks)
        assert "interrupted" not in folder.run("list").stdout + folder.run("show").stdout
        assert "interrupted" not in folder.run("errors", job.job_id).stderr
        documents = [folder.json("list")["jobs"][0], folder.json("show"), folder.json("errors", job.job_id)]
        assert [one["is_interrupted"] for one in documents] == [False] * 3
