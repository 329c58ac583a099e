"""A damaged state file is all that is left: what reads comes back, the report says the rest, and the next run goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, PlanChanged, StoreDamaged
from checkpoint_store.cli.messages import spoken
from checkpoint_store.maintenance import recover_store
from checkpoint_store.model.clock import parse_time

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store import RecoveryReport

CHUNKS = [f"chunk {index}" for index in range(6)]
CONFIG = {"chunk_size": 20, "language": "en"}


def result_of(index: int) -> dict[str, Any]:
    return {"chunk_index": index, "text": f"text of {index}"}


def leave_state_file(folder: Path, *, done: int = 5, **plan: Any) -> Path:
    """Work on a job, and lose everything but its state file."""
    with CheckpointStore(folder / "talks.db") as store:
        job = store.open_job("talk.txt", chunks=CHUNKS, model="m", config=CONFIG, **plan)
        for index in range(done):
            job.complete(index, result_of(index))
    path = folder / "talks.json"
    for other in folder.iterdir():
        if other != path:
            other.unlink()
    return path


def damaged(path: Path, begin: bytes, end: bytes | None = None) -> None:
    """Write zeros from ``begin`` up to ``end``; without an end, cut the file off there."""
    text = path.read_bytes()
    at = text.index(begin)
    rest = b"" if end is None else b"\0" * (text.index(end, at) - at) + text[text.index(end, at) :]
    path.write_bytes(text[:at] + rest)


def recovered(path: Path) -> RecoveryReport:
    return recover_store(path.with_suffix(".db"), accept_loss=True)


def test_the_results_and_the_config_behind_the_damage_come_back(tmp_path: Path) -> None:
    """A page of zeros costs the results in it: the job goes on under its own plan, with what stood behind them."""
    path = leave_state_file(tmp_path)
    damaged(path, b"text of 1", b"text of 2")
    report = recovered(path)
    assert (report.lost_chunks, report.jobs[0].recovered_chunks, report.jobs[0].lost) == (2, 3, None)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.txt", chunks=CHUNKS, model="m", config=CONFIG)
        assert [chunk.index for chunk in job.pending()] == [1, 2, 5]
        assert dict(job.items()) == {index: result_of(index) for index in (0, 3, 4)}


@pytest.mark.slow
def test_where_the_config_is_lost_the_results_are_taken_up_as_the_error_says(tmp_path: Path) -> None:
    """The error names the fields that may differ; with them, the next run does only what is lost."""
    path = leave_state_file(tmp_path)
    damaged(path, b"text of 3")
    plan: dict[str, Any] = {"chunks": CHUNKS, "model": "m", "config": CONFIG}
    assert "on_change='reuse', reuse_ignoring=('config', 'chunks')" in str(recovered(path))
    with CheckpointStore(tmp_path / "talks.db") as store:
        with pytest.raises(PlanChanged) as caught:
            store.open_job("talk.txt", **plan)
        assert caught.value.ignoring == ("config.chunk_size", "config.language", "chunks")
        assert (caught.value.reusable_results, caught.value.kept_ignoring, caught.value.kept_by_place) == (0, 3, 3)
        assert store.plan("talk.txt", on_change="reuse", **plan).kept_elsewhere == 3
        job = store.open_job("talk.txt", on_change="reuse", reuse_ignoring=caught.value.ignoring, **plan)
        assert dict(job.items()) == {index: result_of(index) for index in range(3)}
        for chunk in job.pending():
            chunk.complete(result_of(chunk.index))
    with CheckpointStore(tmp_path / "talks.db") as store:
        again = store.open_job("talk.txt", **plan)
        assert (again.job_id, list(again.pending())) == (job.job_id, [])


@pytest.mark.slow
@pytest.mark.parametrize("also", [(), ("model",)], ids=["the name alone", "and the model"])
def test_where_the_name_of_the_file_is_lost_the_report_says_how_it_is_put_back(
    tmp_path: Path, also: tuple[str, ...]
) -> None:
    """A job whose name is lost is found as the error says: then all its results are taken up."""
    path = leave_state_file(tmp_path)
    for name, value in {"file_name": "talk.txt", "model": "m"}.items():
        if name in ("file_name", *also):
            damaged(path, f'"{name}": "{value}'.encode(), b",\n")
    told = str(recovered(path))
    assert "reuse_ignoring" not in told
    assert f"write {', '.join(('file_name', *also))} and a new job_id into the exported file" in told
    exported = tmp_path / "exported.json"
    with CheckpointStore(tmp_path / "talks.db") as store:
        lost_id = store.jobs()[0].job_id
        assert f"store.job({lost_id!r}).export(path)" in told
        store.job(lost_id).export(exported)
        fields = json.loads(exported.read_text()) | {"file_name": "talk.txt", "model": "m", "job_id": "a new one"}
        exported.write_text(json.dumps(fields))
        store.import_state(exported)
        job = store.open_job("talk.txt", chunks=CHUNKS, model="m", config=CONFIG)
        assert [chunk.index for chunk in job.pending()] == [5]
    line = spoken(told, str(tmp_path / "talks.db"))
    assert f"run checkpoint-store export {lost_id} FILE --store" in line
    assert "run checkpoint-store import FILE --store" in line


@pytest.mark.slow
def test_who_had_begun_anew_takes_them_up_too(tmp_path: Path) -> None:
    """``reuse`` alone finds nothing and begins a job; the next run names what may differ, and pays for the rest only."""
    path = leave_state_file(tmp_path)
    damaged(path, b"text of 3")
    recovered(path)
    plan: dict[str, Any] = {"chunks": CHUNKS, "model": "m", "config": CONFIG, "on_change": "reuse"}
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.txt", **plan).complete(1, {"text": "paid for again"})
        job = store.open_job("talk.txt", reuse_ignoring=("config", "chunks"), **plan)
        assert [chunk.index for chunk in job.pending()] == [3, 4, 5]
        assert job.result(1) == {"text": "paid for again"}


@pytest.mark.slow
def test_a_caller_with_a_number_of_chunks_takes_them_up_too(tmp_path: Path) -> None:
    """Without the texts of the chunks, results are matched with chunks by their places."""
    path = leave_state_file(tmp_path)
    damaged(path, b"text of 3")
    recovered(path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        ignoring = ("config", "chunks")
        job = store.open_job(
            "talk.txt", total_chunks=6, model="m", config=CONFIG, on_change="reuse", reuse_ignoring=ignoring
        )
        assert [chunk.index for chunk in job.pending()] == [3, 4, 5]


@pytest.mark.slow
def test_a_sequential_job_takes_up_the_beginning(tmp_path: Path) -> None:
    """A sequential job takes up the results before a missing result: those behind it were made from it."""
    path = leave_state_file(tmp_path, sequential=True)
    damaged(path, b"text of 2", b"text of 3")
    recovered(path)
    plan: dict[str, Any] = {"chunks": CHUNKS, "model": "m", "config": CONFIG, "sequential": True}
    with CheckpointStore(tmp_path / "talks.db") as store:
        with pytest.raises(PlanChanged) as caught:
            store.open_job("talk.txt", **plan)
        job = store.open_job("talk.txt", on_change="reuse", reuse_ignoring=caught.value.ignoring, **plan)
        assert dict(job.items()) == {index: result_of(index) for index in range(2)}


def test_a_result_whose_chunk_is_known_is_never_taken_by_its_place(tmp_path: Path) -> None:
    """A chunk that changed is done again, whatever ``reuse_ignoring`` names."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.txt", chunks=CHUNKS, model="m").complete(0, result_of(0))
        job = store.open_job(
            "talk.txt", chunks=["new", *CHUNKS[1:]], model="n", on_change="reuse", reuse_ignoring=("model", "chunks")
        )
        assert list(job.items()) == []


@pytest.mark.slow
def test_times_that_are_lost_are_those_of_the_recovery(tmp_path: Path) -> None:
    """A recovered job has no time of 1970: a prune by age would remove it first."""
    path = leave_state_file(tmp_path)
    damaged(path, b"text of 3")
    recovered(path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        state = store.job("talk.txt").state()
    for moment in (state.started_at, state.updated_at):
        assert datetime.now(UTC) - parse_time(moment) < timedelta(minutes=10)


@pytest.mark.slow
def test_what_would_be_lost_is_a_sentence(tmp_path: Path) -> None:
    """The error names each chunk and each field of the job that would be lost, once."""
    path = leave_state_file(tmp_path)
    job_id = path.read_text().partition('"job_id": "')[2][:36]
    damaged(path, b"text of 3")
    with pytest.raises(StoreDamaged) as caught:
        recover_store(tmp_path / "talks.db")
    told = f"2 of 5 completed chunks of job {job_id} (talk.txt) cannot be brought back, and its config and metadata are lost"
    assert told in str(caught.value)
