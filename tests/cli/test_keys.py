"""Chunks by their keys, at the command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.fixture
def job_id(folder: Folder) -> str:
    """A job of two files and a page, of which one file is done and the other one is failed."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("folder", chunks={"good.txt": "1", "bad.txt": "2", 7: "3"}, metadata={"owner": "Ana"})
        job.complete(0, "one")
        for _ in range(3):
            job.fail_chunk(1, "no such voice")
        return job.job_id


def test_errors_and_chunks_name_the_key(folder: Folder, job_id: str) -> None:
    """Whoever reads the list knows which file is meant."""
    assert "chunk 1 (bad.txt)" in folder.run("errors", job_id).stdout
    assert "1 (bad.txt)" in folder.run("chunks", job_id).stdout
    assert json.loads(folder.run("errors", job_id, "--json").stdout)["errors"][0]["key"] == "bad.txt"
    rows = json.loads(folder.run("chunks", job_id, "--json").stdout)["chunks"]
    assert [row["key"] for row in rows] == [None, "bad.txt", None]


def test_results_have_their_keys(folder: Folder, job_id: str) -> None:
    """``results --json`` has the keys of a job with keys, and no keys for a job without."""
    assert json.loads(folder.run("results", job_id, "--json").stdout) == [
        {"chunk_index": 0, "key": "good.txt", "result": "one"}
    ]
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("other", total_chunks=1).complete(0, "one")
    assert json.loads(folder.run("results", "other", "--json").stdout) == [{"chunk_index": 0, "result": "one"}]


def test_a_failed_chunk_is_freed_by_its_key(folder: Folder, job_id: str) -> None:
    """Nobody counts files to find an index; a key that no chunk has is named."""
    assert "'worse.txt'" in folder.run("retry", job_id, "--key", "worse.txt", code=2).stderr
    assert "has used up its tries" in folder.run("retry", job_id, "--key", "7").stderr
    assert "1 chunk of job" in folder.run("retry", job_id, "--key", "bad.txt").stderr


def test_show_has_metadata(folder: Folder, job_id: str) -> None:
    """What was said about the job, for people and as JSON."""
    assert "owner Ana" in folder.run("show", job_id).stdout
    assert json.loads(folder.run("show", job_id, "--json").stdout)["metadata"] == {"owner": "Ana"}


@pytest.mark.slow
def test_a_file_that_grew_is_extended(folder: Folder) -> None:
    """``run --on-change extend`` does the chunks that follow, in the same job; an edit is refused, with the reasons."""
    command = ("--", sys.executable, "-c", "print(input().upper())")
    path = folder.path / "feed.txt"
    path.write_text("one\ntwo\n", encoding="utf-8")
    folder.run("run", "feed.txt", "--split", "lines", *command)
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")
    extend = ("feed.txt", "--split", "lines", "--on-change", "extend", *command)
    assert "goes on, with more chunks" in folder.run("plan", *extend).stdout
    folder.run("run", *extend)
    listed = json.loads(folder.run("list", "--json").stdout)["jobs"]
    assert [(job["completed_chunks"], job["total_chunks"], job["status"]) for job in listed] == [(3, 3, "completed")]
    path.write_text("one\nTWO\nthree\nfour\n", encoding="utf-8")
    assert "\n  the text\n" in folder.run("run", *extend, code=2).stderr
