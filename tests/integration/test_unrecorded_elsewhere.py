"""The folder for temporary files has unrecorded results of many stores: each store takes in, and tells of, its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.app import run_command_line
from checkpoint_store.storage.files import unrecorded as unrecorded_files

if TYPE_CHECKING:
    from pathlib import Path


def leave_a_result(folder: Path, temporary: Path) -> tuple[Path, str]:
    """Make a store with a job, and leave a result of it in the folder for temporary files; return its file and job."""
    folder.mkdir()
    with CheckpointStore(folder / ".processing_state.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        unrecorded = store._context.unrecorded  # type: ignore[union-attr]
        unrecorded._write = lambda _folder: None  # type: ignore[method-assign]
        unrecorded.keep([job._execution.completion(0, {"paid": 0})])
        (result,) = unrecorded._results.values()
        unrecorded._results.clear()
    place = unrecorded_files.private_folder(temporary)
    file = place / unrecorded_files.new_name(folder / ".processing_state.db")
    unrecorded_files.write(file, [result])
    return file, job.job_id


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_store_tells_of_no_result_of_another_one(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture, *, is_gone: bool
) -> None:
    """All stores have the usual name: who opens one hears nothing of the others, also of those that are removed."""
    file, _ = leave_a_result(tmp_path / "other", temporary)
    if is_gone:
        (tmp_path / "other").rename(tmp_path / "moved")
    caplog.clear()
    (tmp_path / "mine").mkdir()
    CheckpointStore(tmp_path / "mine" / ".processing_state.db").close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
    assert file.exists()


def test_a_store_that_was_moved_takes_in_its_result(tmp_path: Path, temporary: Path) -> None:
    """A store that was moved takes in its unrecorded result, which it knows by the job and not by the path."""
    file, job_id = leave_a_result(tmp_path / "talks", temporary)
    (tmp_path / "talks").rename(tmp_path / "moved")
    with CheckpointStore(tmp_path / "moved" / ".processing_state.db") as store:
        assert list(store.job(job_id).items()) == [(0, {"paid": 0})]
    assert not file.exists()


def test_a_copy_leaves_the_result_to_the_store_that_paid_for_it(tmp_path: Path, temporary: Path) -> None:
    """A copy of a store leaves an unrecorded result to the store that paid, even if the copy deletes the job."""
    file, job_id = leave_a_result(tmp_path / "talks", temporary)
    with CheckpointStore(tmp_path / "talks" / ".processing_state.db", read_only=True) as store:
        store.backup(tmp_path / ".processing_state.db")
    with CheckpointStore(tmp_path / ".processing_state.db") as copy:
        assert list(copy.job(job_id).items()) == []
        copy.delete_job(job_id)
    assert file.exists()
    with CheckpointStore(tmp_path / "talks" / ".processing_state.db") as store:
        assert list(store.job(job_id).items()) == [(0, {"paid": 0})]


def test_a_store_tells_of_its_own_result_whose_job_is_missing(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An older copy was put in its place: the file stays, and a warning names it."""
    file, _ = leave_a_result(tmp_path / "talks", temporary)
    for path in (tmp_path / "talks").iterdir():
        path.unlink()
    CheckpointStore(tmp_path / "talks" / ".processing_state.db").close()
    assert str(file) in caplog.text
    assert file.exists()


@pytest.mark.slow_variants
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_look_for_a_missing_store_takes_no_result_away(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """plan, and a run that is refused (its output is a file of somebody), leave a paid result to the store that the state file brings back."""
    file, job_id = leave_a_result(tmp_path / "talks", temporary)
    (tmp_path / "talks" / ".processing_state.db").unlink()
    (tmp_path / "talks" / "talk.txt").write_text("A talk.", encoding="utf-8")
    (tmp_path / "talks" / "talk.cleaned.txt").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "talks")
    run_command_line(["checkpoint-store", verb, "talk.txt", "--", "cat"])
    assert not (tmp_path / "talks" / ".processing_state.db").exists()
    assert file.exists()
    with CheckpointStore(tmp_path / "talks" / ".processing_state.db") as store:
        assert list(store.job(job_id).items()) == [(0, {"paid": 0})]


def test_a_store_keeps_a_result_of_a_job_that_it_lacks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An older copy took the place of the store meanwhile: the result stays in a file, and the log does not drop it."""
    (tmp_path / "aside").mkdir()
    with CheckpointStore(tmp_path / "aside" / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        completion = job._execution.completion(0, {"paid": 0})
    with CheckpointStore(tmp_path / "talks.db") as older:
        other = older.open_job("other.srt", total_chunks=2)
        unrecorded = older._context.unrecorded  # type: ignore[union-attr]
        unrecorded.keep([completion, other._execution.completion(1, {"paid": 1})])
        assert [chunk.index for chunk in other.pending()] == [0]
    (path,) = tmp_path.glob("*.unrecorded-*")
    assert ("deleted" in caplog.text, str(path) in caplog.text) == (False, True)
    path.rename(tmp_path / "aside" / path.name)
    with CheckpointStore(tmp_path / "aside" / "talks.db") as store:
        assert list(store.job(job.job_id).items()) == [(0, {"paid": 0})]


def test_what_is_taken_in_leaves_a_file_that_keeps_the_result_of_another_store(tmp_path: Path) -> None:
    """The next open takes in nothing twice: the file has what the store lacks, and nothing else."""
    with CheckpointStore(tmp_path / "other.db", state_file=None) as other:
        stray = other.open_job("other.srt", total_chunks=1)._execution.completion(0, "other")
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=2)
        own = job._execution.completion(0, "own")
    file = tmp_path / unrecorded_files.new_name(store.path)
    results = [unrecorded_files.UnrecordedResult(completion, None, str(store.path)) for completion in (own, stray)]
    unrecorded_files.write(file, results)
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        assert list(store.job(job.job_id).items()) == [(0, "own")]
    assert unrecorded_files.read(store.path, file) == results[1:]


def test_a_merge_names_the_results_that_the_other_store_has_still_to_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who merges the store of a shard learns of its unrecorded results, and the next merge takes them."""
    with CheckpointStore(tmp_path / "whole.db") as whole, CheckpointStore(tmp_path / "shard.db") as shard:
        shards_job = shard.open_job("talk.srt", total_chunks=2)
        shard._context.unrecorded.keep([shards_job._execution.completion(0, {"paid": 0})])  # type: ignore[union-attr]
        caplog.clear()
        whole.merge(tmp_path / "shard.db")
        (job,) = whole.jobs()
        (file,) = tmp_path.glob("*.unrecorded-*")
        assert [str(file) in line for line in caplog.messages if "could not record" in line] == [True]
        assert job.remaining() == [range(2)]
        shard.close()
        whole.merge(tmp_path / "shard.db")
        assert job.remaining() == [range(1, 2)]
