"""What the log says of runners that died, chunks that failed, and failures that a finalizer suppressed."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.execution.claims.claims import Claims

from .claims_tools import CLAIM, TOTAL

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore, Job


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert all(record.name == "checkpoint_store" for record in caplog.records)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.slow_variants
@pytest.mark.parametrize("found_by", ["opening", "claiming", "leaving"])
def test_a_reaped_runner_is_one_line(
    job: Job, children: Children, open_store: Opener, caplog: pytest.LogCaptureFixture, found_by: str
) -> None:
    """The line names the runner and the job, and says how many chunks are in doubt, whoever finds the runner dead."""
    children.run(CLAIM, "talk.srt", 2, "is killed", code=-9)
    if found_by == "opening":
        open_store()
    elif found_by == "claiming":
        assert next(job.pending()).index == 0
    else:
        with job:
            pass
    assert lines(caplog) == [f"runner 1 of job {job.job_id} is dead: reaped, 2 chunks in doubt"]


def test_a_runner_that_ends_is_no_line(job: Job, open_store: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """The control: nobody died, and nothing failed."""
    for chunk in job.pending():
        chunk.complete("done")
    open_store()
    assert lines(caplog) == []


def test_a_failed_chunk_is_one_line(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    """The attempt after which a chunk is passed over is told, once; the attempts before it are not."""
    for _ in range(3):
        job.fail_chunk(4, "no")
    assert lines(caplog) == [f"chunk 4 of job {job.job_id} is failed: attempt 3 was its last"]
    assert [chunk.index for chunk in job.pending() if chunk.complete(1) is None] == [0, 1, 2, 3, 5]
    assert len(lines(caplog)) == 1


def test_a_chunk_that_kills_its_process_is_one_line(
    job: Job, children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop that passes over a chunk because its attempts never ended says so when it finds out, and not again."""
    children.run(CLAIM, "talk.srt", 1, "is killed", code=-9)
    for _ in range(2):
        assert next(job.pending(max_attempts=1)).index == 1
    failed = [line for line in lines(caplog) if "is failed" in line]
    assert failed == [f"chunk 0 of job {job.job_id} is failed: attempt 1 was its last"]


@pytest.mark.parametrize("kept_count", [0, 1])
def test_what_a_finalizer_suppresses_is_one_line(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture, kept_count: int
) -> None:
    """A chunk that is thrown away while the store is out of reach raises nowhere, and the log says why it is not free."""
    loop = job.pending()
    kept = [next(loop) for _ in range(kept_count)]
    chunk = next(loop)
    loop.close()
    os.replace(tmp_path / "talks.db", tmp_path / "away.db")
    try:
        del chunk
    finally:
        os.replace(tmp_path / "away.db", tmp_path / "talks.db")
    # The last chunk would have ended the runner.
    what = (
        f"chunks of job {job.job_id} are not free yet" if kept else f"the runner of job {job.job_id} has not ended yet"
    )
    (line,) = lines(caplog)
    assert line.startswith(f"{what}: StorageUnavailableError: ")
    assert [chunk.index for chunk in job.pending()] == list(range(TOTAL))


def test_a_finalizer_that_fails_raises_nowhere(
    job: Job, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that goes wrong while a chunk is thrown away, the log has it, and the program goes on."""

    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    chunk = next(job.pending())
    with monkeypatch.context() as patch:
        patch.setattr(Claims, "release", fail)
        del chunk
    assert lines(caplog) == ["chunk 0 was not freed by its finalizer: RuntimeError: on purpose"]
