"""A killed command may leave a stand-in, a folder with copies of results: who deletes a job deletes these, too."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StorageUnavailableError, doctor
from checkpoint_store.cli.stand_in import stand_in
from checkpoint_store.storage.files.names import STAND_IN_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

COPY = b'{"cleaned_text": "paid for"}'


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A folder as a killed command leaves it, with a copy of a state file."""
    folder = tmp_path / f"{STAND_IN_FOLDER}x1y2z3"
    folder.mkdir(mode=0o700)
    (folder / "talks.json").write_bytes(COPY)
    return folder


@pytest.fixture
def left_by_plan(tmp_path: Path, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a killed ``plan`` leaves it among the temporary files, where another store has one, too."""
    temporary = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for folder, name in (("own", store.path.name), ("another", "another.db")):
        trial = temporary / f"{STAND_IN_FOLDER}{folder}"
        trial.mkdir(mode=0o700, parents=True)
        (trial / name).write_bytes(COPY)
    return temporary / f"{STAND_IN_FOLDER}own"


@pytest.mark.parametrize("how", ["delete", "prune"])
def test_that_of_a_plan_is_removed(store: CheckpointStore, left_by_plan: Path, how: str) -> None:
    """The one of this store, among the temporary files; that of another store stays."""
    if how == "delete":
        store.delete_job(store.open_job("talk.txt", chunks=["a"]).job_id)
    else:
        assert store.prune(dry_run=False).files == (left_by_plan,)
    assert [path.name for path in left_by_plan.parent.iterdir()] == [f"{STAND_IN_FOLDER}another"]


def test_one_that_cannot_be_removed_is_an_error(
    store: CheckpointStore, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the folder; the bytes of the deleted job are gone from the store file and its WAL all the same."""
    job = store.open_job("talk.txt", chunks=["a"])
    job.complete(0, "a secret of the deleted job")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StorageUnavailableError, match=left.name):
        store.delete_job(job.job_id)
    store.close()  # to read the file of an open store would drop its locks
    files = (path for path in store.path.parent.iterdir() if path.is_file())
    assert [path.name for path in files if b"a secret of the deleted job" in path.read_bytes()] == []


def test_deleting_a_job_removes_it(store: CheckpointStore, left: Path) -> None:
    """No byte of a deleted job stays beside its store."""
    job = store.open_job("talk.txt", chunks=["a"])
    job.complete(0, "paid for")
    store.delete_job(job.job_id)
    assert not left.exists()


def test_a_prune_says_and_removes_it(store: CheckpointStore, left: Path) -> None:
    """The dry run has the folder and the bytes of its files; while nothing is asked of jobs, it goes as other files do."""
    report = store.prune()
    assert (report.files, report.bytes) == ((left,), len(COPY))
    assert left.exists()
    assert store.prune(dry_run=False).files == (left,)
    assert not left.exists()


def test_the_doctor_names_it(store: CheckpointStore, left: Path) -> None:
    """``doctor`` names a left-over stand-in with the call that removes it, and the store owns its name."""
    (finding,) = [finding for finding in doctor(store.path) if finding.what == "left-over files"]
    assert (finding.level, finding.says) == ("warning", left.name)
    assert "prune()" in str(finding.remedy)
    assert store.owns(left)


def test_a_stand_in_that_is_in_use_stays(store: CheckpointStore) -> None:
    """A command that looks at a store at this moment loses nothing."""
    with stand_in(store.path.with_name("another.db"), store.path.parent) as trial:
        assert store.prune(dry_run=False).files == ()
        store.delete_job(store.open_job("talk.txt", chunks=["a"]).job_id)
        assert trial.path.is_file()


def test_planning_removes_what_a_killed_plan_left_among_the_temporary_files(
    tmp_path: Path, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan looks at a stand-in there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with stand_in(tmp_path / "another.db"):
        pass
    assert not left.exists()


def test_planning_leaves_what_another_user_left(tmp_path: Path, left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan neither locks nor removes a stand-in of another user, who may be at work on it, in a folder that all share."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: left.stat().st_uid + 1)
    with stand_in(tmp_path / "another.db"):
        pass
    assert left.exists()
