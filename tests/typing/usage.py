"""What a caller's type checker makes of the public API. Checked by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    Difference,
    Job,
    JobStatus,
    MapItem,
    MigrationStatus,
    PendingChunk,
    PlanChanged,
    ProcessingState,
    Progress,
    RunRecord,
    StateManager,
    migrate,
    migration_status,
)
from checkpoint_store.model.codec.readers import as_type


@dataclass
class ProcessedChunk:
    """A result as a processor knows it."""

    cleaned_text: str
    cost: float = 0.0


def ten_lines(chunks: list[str]) -> list[str]:
    """The example of the README."""
    with CheckpointStore() as store:
        assert_type(store, CheckpointStore)
        job = store.open_job("lecture.srt", chunks=chunks, model="small", config={"chunk_size": 2000})
        for chunk in job.pending():
            chunk.complete({"cleaned_text": chunk.data})
        return [result["cleaned_text"] for result in job.results()]


def targets(folder: Path) -> None:
    """A target is text or a path; the state file text, a path or None."""
    CheckpointStore("talks.db", state_file=None, durability="process", lock_timeout_seconds=1)
    CheckpointStore(folder / "talks.db", state_file=folder / "talks.json", migrate=False, read_only=True)
    CheckpointStore(durability="none")  # type: ignore[arg-type]
    CheckpointStore("talks.db", "talks.json")  # type: ignore[call-arg]


def depending(store: CheckpointStore) -> None:
    """The result before is JSON data; a handle is text or None, for one chunk or many."""
    job = store.open_job("a", total_chunks=5, sequential=True)
    assert_type(job.sequential, bool)
    for chunk in job.pending():
        assert_type(chunk.previous, Any)
        assert_type(chunk.handle, str | None)
        chunk.record_handle(None)
        chunk.record_handle(7)  # type: ignore[arg-type]
    job.record_handle([1, 2], "batch")
    job.record_handle(1, None)


def opening(store: CheckpointStore) -> None:
    """A job is opened by chunks of any kind or by their number, with keywords."""
    assert_type(store.open_job("a", total_chunks=5), Job)
    store.open_job("a", chunks=iter([b"x"]), fingerprint=lambda piece: piece, on_change="reuse", fresh=True)
    store.open_job("a", chunks=["x"], on_change="delete")  # type: ignore[arg-type]
    store.open_job("a", ["x"])  # type: ignore[call-arg]
    assert_type(store.job("0f4c"), Job)
    assert_type(store.job(Path("talks") / "a.txt").superseded_by, str | None)
    assert_type(store.incomplete_jobs(), list[Job])
    store.open_job(Path("a"), chunks=["x"], on_change="reuse", reuse_ignoring=("model", "config.max_tokens"))
    store.open_job("a", chunks=["x"], reuse_ignoring=5)  # type: ignore[arg-type]
    assert_type(store.plan("a", total_chunks=5).kept_elsewhere, int)
    assert_type(store.jobs(status=JobStatus.PAUSED), list[Job])
    assert_type(store.jobs("paused", "lecture.srt"), list[Job])
    assert_type(store.latest_job(), Job | None)
    assert_type(store.import_state("state.json"), Job)


def results(job: Job) -> None:
    """Results are what was asked for: JSON values are Any, a type gives that type."""
    assert_type(job.results(), Iterator[Any])
    assert_type(job.results(ProcessedChunk), Iterator[ProcessedChunk])
    assert_type(job.results(as_type=ProcessedChunk), Iterator[ProcessedChunk])
    assert_type(job.results(as_type=dict[str, int]), Iterator[dict[str, int]])
    assert_type(job.results(missing="skip"), Iterator[Any])
    assert_type(job.results(ProcessedChunk, "skip"), Iterator[ProcessedChunk])
    assert_type(job.results(ProcessedChunk, missing="none"), Iterator[ProcessedChunk | None])
    assert_type(job.result(0), Any)
    assert_type(job.result(0, ProcessedChunk), ProcessedChunk)
    assert_type(job.result(0, as_type=list[ProcessedChunk]), list[ProcessedChunk])
    assert_type(job.items(), Iterator[tuple[int, Any]])
    assert_type(as_type({"cleaned_text": "a"}, ProcessedChunk), ProcessedChunk)
    assert_type(job.totals("cost", "input_tokens"), dict[str, int | float])
    job.results("ProcessedChunk")  # type: ignore[call-overload]


def working(job: Job) -> None:
    """Whatever has a JSON form can be completed; an index is a number."""
    assert_type(job.pending(), Iterator[PendingChunk])
    for chunk in job.pending():
        assert_type(chunk.index, int)
        assert_type(chunk.data, Any)
        chunk.complete(ProcessedChunk("a"), replace=True)
        chunk.complete({}, True)  # type: ignore[call-arg]
    job.complete(0, {"cleaned_text": "a"}, replace=True)
    job.complete_many((index, {"n": index}) for index in range(3))
    job.complete("0", {})  # type: ignore[arg-type]
    assert_type(job.status, JobStatus)
    assert_type(job.state(), ProcessingState)
    assert_type(job.export(), Path)
    assert_type(job.export("state.json"), Path)
    job.fail(ValueError("x"))
    job.fail("a message")


def progress(job: Job) -> None:
    """Progress is a record of numbers and aware times, which cannot be changed."""
    now = job.progress()
    assert_type(now, Progress)
    assert_type(now.percent, float)
    assert_type(now.chunks_per_minute, float | None)
    assert_type(now.started_at, datetime)
    now.total_chunks = 3  # type: ignore[misc]


def states(state: ProcessingState) -> None:
    """A state is read, replaced and written; nothing of it is assigned."""
    assert_type(state.status, JobStatus)
    assert_type(state.completed_chunks, list[int])
    assert_type(state.processed_results, list[dict[str, Any]])
    assert_type(state.result_indices, list[int])
    assert_type(state.config, dict[str, Any])
    assert_type(state.model, str)
    assert_type(state.error_message, str | None)
    assert_type(state.replace(status=JobStatus.PAUSED), ProcessingState)
    assert_type(ProcessingState.from_json(b"{}"), ProcessingState)
    assert_type(ProcessingState.from_json(state.to_json()), ProcessingState)
    assert_type(ProcessingState.from_dict(state.to_dict()), ProcessingState)
    assert_type(state.results(), dict[int, Any])
    assert_type(state.next_chunk_index, int)
    assert_type(state.is_resumable, bool)
    ProcessingState(file_name="a", total_chunks=3, config={"a": [1]})
    state.status = JobStatus.FAILED  # type: ignore[misc]


def chunks_of_the_plan(results: list[dict[str, Any]], done: list[int]) -> int:
    """What a processor written for the original plan does with the lists of a state."""
    return len(results) + len(done)


def as_in_the_plan() -> None:
    """A state is made of anything or nothing, by position too, from words and plain lists."""
    state = ProcessingState()
    chunks_of_the_plan(state.processed_results, state.completed_chunks)
    ProcessingState(
        "1.3", "job-1", "pending", "a.srt", "", "small", "", 3, [0], [{"t": "a"}], "", "", None, {"a": 1}, [0]
    )
    ProcessingState(file_name="a", status="paused", completed_chunks=(0,), processed_results=("any JSON value",))
    ProcessingState(status=JobStatus.PENDING, model=None)
    ProcessingState(total_chunks="3")  # type: ignore[arg-type]
    ProcessingState(colour="red")  # type: ignore[call-arg]


class Elsewhere(StateManager):
    """A processor's own files."""

    DEFAULT_PATH = Path("elsewhere.json")
    LOCK_TIMEOUT = 3


def managed(state: ProcessingState) -> None:
    """The one-job face takes and gives states."""
    assert_type(StateManager(None).state_path, Path)
    assert_type(Elsewhere(Path("s.json")).lock_path, Path)
    with StateManager() as manager:
        assert_type(manager, StateManager)
        assert_type(manager.load(), ProcessingState | None)
        assert_type(manager.has_incomplete_job(), bool)
        manager.save(state)
        manager.update_chunk_complete(0, {"cleaned_text": "a"})
        manager.set_status("paused")
        manager.set_status(JobStatus.FAILED, ValueError("x"))
        manager.clear()


def refused(store: CheckpointStore) -> str:
    """Errors carry typed fields."""
    try:
        store.open_job("a", chunks=["x"])
    except PlanChanged as error:
        assert_type(error.differences, tuple[Difference, ...])
        assert_type(error.reusable_results, int)
        return error.job_id
    except ChunkAlreadyCompleted as error:
        return f"{error.job_id} {error.chunk_index + 1}"
    except CheckpointStoreError as error:
        return str(error)
    return ""


def upgrading() -> None:
    """Migration is asked about and done by path."""
    assert_type(migration_status("talks.db"), MigrationStatus)
    assert_type(migrate(Path("talks.db")), MigrationStatus)


def loops(store: CheckpointStore, job: Job) -> None:
    """A loop's options are checked by name and type; an unknown one is a mistake before it runs."""
    assert_type(job.map(str, workers=4, max_attempts=2, wait=lambda tries: tries * 0.5), Iterator[MapItem])
    assert_type(store.map(str, ["a"], file_name="a", on_error="record"), list[Any])
    job.map(str, max_calls_per_minute=60, max_tokens_per_minute=9000, tokens=len, deadline_seconds=3600.0)
    assert_type(job.last_run, RunRecord | None)
    job.map(str, retries=3)  # type: ignore[call-arg]
    job.map(str, on_error="ignore")  # type: ignore[arg-type]
    job.amap(str, executor=None)  # type: ignore[call-arg]
