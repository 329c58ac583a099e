"""A result comes home, and the store does not take it: it is kept until it is recorded, also over the end of the process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import StorageFullError, StorageUnavailableError, StoreBusy
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.file_lock import file_lock

from .full_disks import full_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore, Job

HOLDER = program(__file__, "hold_write_lock")


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Another process, which is no program of this library, holds the write lock of the store."""
    process = subprocess.Popen(
        [sys.executable, str(HOLDER)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.communicate("end\n")


def kept(folder: Path) -> list[Path]:
    """The files of unrecorded results."""
    return sorted(folder.glob("*.unrecorded-*"))


def test_a_result_that_meets_a_locked_store_is_in_a_file_at_once(open_store: Opener, tmp_path: Path) -> None:
    """Private, and named by the error; the same store object records it later, and the file goes."""
    store, calls = open_store(lock_timeout_seconds=0.05), list[str]()
    job = store.open_job("talk.srt", chunks=["a", "b", "c"])
    with ExitStack() as lock:

        def work(text: str) -> str:
            calls.append(text)
            if text == "b":
                lock.enter_context(write_lock(tmp_path))
            return text.upper()

        with pytest.raises(StoreBusy) as caught:
            list(job.map(work))
        (path,) = kept(tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        told = f"The results of chunk 1 of job {job.job_id} are not recorded yet, and kept in {path}"
        assert told in caught.value.__notes__[0]
    store.close()
    assert kept(tmp_path) == []
    again = open_store().open_job("talk.srt", chunks=["a", "b", "c"])
    list(again.map(work))
    assert (calls, list(again.results())) == (["a", "b", "c"], ["A", "B", "C"])


@pytest.mark.slow_variants
@pytest.mark.parametrize("opened", [0, 1])
def test_the_opening_of_an_edited_plan_records_the_results_that_wait(
    opened: int, open_store: Opener, tmp_path: Path
) -> None:
    """Results wait in the store that opens the edited plan, or in a file that another store has left beside it."""
    stores = [open_store(lock_timeout_seconds=0.05), open_store()]
    job = stores[0].open_job("talk.srt", chunks=["a", "b"], on_change="reuse")
    with write_lock(tmp_path), pytest.raises(StoreBusy):
        job.complete(0, "A")
    edited = stores[opened].open_job("talk.srt", chunks=["new", "a", "b"], on_change="reuse")
    assert (edited.remaining(), kept(tmp_path)) == ([range(1), range(2, 3)], [])


def test_each_chunk_is_named_once(open_store: Opener) -> None:
    """Each try at a chunk was paid for, and may have a result; the sentence about them names the chunk once."""
    job = open_store().open_job("talk.srt", total_chunks=3)
    completions = [job._execution.completion(index, {"paid": index}) for index in (1, 0, 0)]
    told = job._execution.keep_unrecorded(completions)
    assert told.startswith(f"The results of chunks 0, 1 of job {job.job_id} are not recorded yet")


def test_trying_again_to_record_thousands_of_results_takes_no_minute(open_store: Opener) -> None:
    """To see that each is kept already takes 0.01 s. It took 4 s for 3,000 results, and four times as long for 6,000."""
    job = open_store().open_job("talk.srt", total_chunks=3000)
    completions = [job._execution.completion(index, {"paid": index}) for index in range(3000)]
    job._execution.keep_unrecorded(completions)
    before = time.process_time()
    job._execution.keep_unrecorded(completions)
    assert time.process_time() - before < 1.0
    job._execution._context.unrecorded.forget(job.job_id)


PAYS_IN_VAIN = program(__file__, "pay_in_vain")


@pytest.mark.slow_variants
@pytest.mark.parametrize("end", ["killed", "closed"])
def test_the_next_open_takes_in_what_a_process_could_not_record(
    end: str, children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """Whether the process ended in peace or was killed: nothing is paid for again, and the file is gone."""
    said = children.run(PAYS_IN_VAIN, HOLDER, end, code=-signal.SIGKILL if end == "killed" else 0)
    (path,) = kept(tmp_path)
    assert all(str(path) in line for line in said.splitlines()), said
    with open_store(read_only=True) as reading:  # reading never writes
        assert len(reading.jobs()[0].completed_ranges()) == 1
    assert kept(tmp_path) == [path]
    store = open_store()
    (job,) = store.jobs()
    assert (dict(job.items())[3], kept(tmp_path), store.check()) == ({"paid": 3}, [], [])
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])
    assert [chunk.index for chunk in job.pending()] == [4]


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_takes_results_in_loses_none(
    children: Children, open_store: Opener, tmp_path: Path
) -> None:
    """A process that is killed while it takes results in loses none: the next open takes in the others."""
    job = make_file(open_store, tmp_path, [0, 1, 2])
    children.run(program(__file__, "killed_at_first_result"), code=-signal.SIGKILL)
    assert len(kept(tmp_path)) == 1
    with open_store(read_only=True) as reading:
        assert reading.job(job.job_id).progress().completed_chunks == 1
    assert list(open_store().job(job.job_id).items()) == [(index, {"paid": index}) for index in range(3)]
    assert kept(tmp_path) == []


def make_file(open_store: Opener, folder: Path, indices: list[int]) -> Job:
    """Make a job of three chunks, and a file of unrecorded results of it, as a process that ended left them."""
    store = open_store()
    job = store.open_job("talk.srt", total_chunks=3)
    completions = [job._execution.completion(index, {"paid": index}) for index in indices]
    plan = unrecorded_files.plan_digest(job._execution.recorded.record())
    results = [unrecorded_files.UnrecordedResult(completion, plan) for completion in completions]
    unrecorded_files.write(folder / unrecorded_files.new_name(store.path), results)
    store.close()
    return job


def test_what_the_store_has_by_now_stands(open_store: Opener, tmp_path: Path) -> None:
    """The same result changes nothing, another one that was recorded meanwhile is not replaced; the file goes."""
    job = make_file(open_store, tmp_path, [0, 1])
    (path,) = kept(tmp_path)
    content = path.read_bytes()
    with open_store() as store:
        store.job(job.job_id).complete(1, {"paid": 1}, replace=True)
        store.job(job.job_id).complete(0, "another", replace=True)
    path.write_bytes(content)
    path.chmod(0o600)
    store = open_store()
    assert list(store.job(job.job_id).items()) == [(0, "another"), (1, {"paid": 1})]
    assert kept(tmp_path) == []


def another_plan(path: Path) -> None:
    path.write_text(path.read_text().replace('"plan": "', '"plan": "0'))


def another_job(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed: list[dict[str, Any]] = [line | {"job_id": "0f4c"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))


def another_chunk(path: Path) -> None:
    path.write_text(path.read_text().replace('"chunk_index": 0', '"chunk_index": 2'))


def another_result(path: Path) -> None:
    path.write_text(path.read_text().replace("paid", "fake"))


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def writable_by_others(path: Path) -> None:
    path.chmod(0o622)


def symlink(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "change", [another_plan, another_job, another_chunk, another_result, torn, writable_by_others, symlink, pipe]
)
def test_a_file_that_does_not_fit_is_not_taken_in(
    change: Any, open_store: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another plan, job, chunk or result, a torn or a stranger's file: it stays where it is, and the log says so."""
    job = make_file(open_store, tmp_path, [0])
    (path,) = kept(tmp_path)
    change(path)
    store = open_store()
    assert list(store.job(job.job_id).items()) == []
    assert kept(tmp_path) == [path]
    assert str(path) in caplog.text


def test_a_deleted_job_leaves_no_unrecorded_result(open_store: Opener, tmp_path: Path) -> None:
    """Deleting removes it from every file of the store, also from one that was not taken in."""
    job = make_file(open_store, tmp_path, [0])
    (path,) = kept(tmp_path)
    content = path.read_text()
    store = open_store()
    path.write_text(content)
    path.chmod(0o600)
    store.delete_job(job.job_id)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("trouble", ["others may write it", "it cannot be removed"])
def test_a_warning_names_the_file_that_keeps_a_deleted_result(
    open_store: Opener,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    """Who deletes a job for good learns what is left of it; its bytes in the store and the backups go all the same."""
    job = make_file(open_store, tmp_path, [0])
    (path,) = kept(tmp_path)
    content = path.read_text()
    store = open_store()
    path.write_text(content)
    path.chmod(0o620 if trouble == "others may write it" else 0o600)
    if trouble == "it cannot be removed":
        monkeypatch.setattr(type(path), "unlink", _refuse_for(path, type(path).unlink))
    caplog.clear()
    store.delete_job(job.job_id)
    assert kept(tmp_path) == [path]
    assert [str(path) in record.message for record in caplog.records if record.levelname == "WARNING"] == [True]
    assert list(tmp_path.glob("*.backup-*")) == []


def _refuse_for(refused: Path, unlink: Any) -> Any:
    def unlink_others(path: Path, *, missing_ok: bool = False) -> None:
        if path == refused:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, missing_ok=missing_ok)

    return unlink_others


@pytest.mark.slow_variants
@pytest.mark.parametrize("ask", ["delete", "prune"])
def test_a_deletion_that_meets_a_locked_state_file_leaves_no_backup_of_the_job(
    open_store: Opener, tmp_path: Path, ask: str
) -> None:
    """The call raises before it deletes anything; called again, it deletes the job from every file."""
    store = open_store(lock_timeout_seconds=0.01)
    job = store.open_job("talk.srt", total_chunks=1)
    job.complete(0, "paid for")
    job.finish()
    before = list(tmp_path.glob("*.backup-*"))
    with file_lock(StoreFiles(store.path).lock, 1.0), pytest.raises(StoreBusy, match="Nothing was written; call again"):
        store.delete_job(job.job_id) if ask == "delete" else store.prune(keep_last=0, dry_run=False)
    assert before
    assert list(store.job(job.job_id).results()) == ["paid for"]
    _ = store.delete_job(job.job_id) if ask == "delete" else store.prune(keep_last=0, dry_run=False)
    assert store.jobs() == []
    assert not any(b"paid for" in path.read_bytes() for path in tmp_path.glob("*.backup-*"))


def test_results_whose_store_is_gone_are_not_promised_to_come_back(
    store: CheckpointStore, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is removed: the error of ``close`` says where the results are, and which store takes them in."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    job = store.open_job("talk.srt", total_chunks=2)

    def work(index: int) -> dict[str, int]:
        shutil.rmtree(store.path.parent)
        return {"paid": index}

    with pytest.raises(StorageUnavailableError):
        list(job.map(work))
    with pytest.raises(StorageUnavailableError) as at_close:
        store.close()
    (path,) = elsewhere.rglob("*.unrecorded-*")
    (note,) = at_close.value.__notes__
    assert f"kept in {path}; {store.path} no longer exists, and only a store with that job takes them in" in note
    assert "the next open" not in note
    assert "is safe" not in str(at_close.value)


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_moved", [False, True])
def test_results_find_another_folder_where_theirs_takes_no_file(
    store: CheckpointStore, open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_moved: bool
) -> None:
    """A full disk: the error of ``close`` says where they are; the next open finds them there, or moved to the store."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    job = store.open_job("talk.srt", total_chunks=2)
    with full_disk(store), monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(elsewhere))
        with pytest.raises(StorageFullError) as in_loop:
            list(job.map(lambda index: {"paid": index}))
        with pytest.raises(StorageFullError) as at_close:
            store.close()
    assert "kept in memory until the store is closed" in in_loop.value.__notes__[0]
    (path,) = elsewhere.rglob("*.unrecorded-*")
    assert len(at_close.value.__notes__) == 1
    assert f"kept in {path}, which the next open of the store takes in" in at_close.value.__notes__[-1]
    assert f"move it beside the store {store.path}" in at_close.value.__notes__[-1]
    if is_moved:
        path.rename(tmp_path / path.name)
    else:
        monkeypatch.setenv("TMPDIR", str(elsewhere))
    assert list(open_store().job(job.job_id).items()) == [(0, {"paid": 0})]
    assert not list(elsewhere.rglob("*.unrecorded-*"))


def test_the_error_says_once_where_the_results_are(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that unrecorded results are in a file once they are, and no longer that they are in memory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    store = open_store()
    with pytest.raises(StorageFullError) as caught, full_disk(store), store:
        store.map(lambda index: {"paid": index}, [0, 1], file_name="talk.srt")
    (path,), (note,) = elsewhere.rglob("*.unrecorded-*"), caught.value.__notes__
    assert f"kept in {path}" in note


def test_the_error_says_where_no_file_can_be_written_at_all(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that results are lost if no file can be written beside the store or elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = open_store()
    with pytest.raises(StorageFullError) as caught, full_disk(store), store:
        monkeypatch.setattr(unrecorded_files, "private_folder", lambda _: store.path.parent)
        store.map(lambda index: {"paid": index}, [0, 1], file_name="talk.srt")
    (note,) = caught.value.__notes__
    assert "no file can be written for them: they are lost" in note
