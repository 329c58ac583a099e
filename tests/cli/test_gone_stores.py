"""The store file is gone, and a copy of it is there: whoever looks for the store is told what brings it back."""

from __future__ import annotations

import errno
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreTargetError, doctor, migration_status
from checkpoint_store.cli.stand_in import stand_in
from checkpoint_store.storage.files import unrecorded as unrecorded_files

from .conftest import LOGGING_COMMAND, SIX

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Folder

COPIES = {
    "state file": [".processing_state.json"],
    "the state before": [".processing_state.bak"],
    "backup": [".processing_state.db.backup-1.5-0001"],
}


@pytest.fixture
def gone(folder: Folder) -> Folder:
    """A folder with all copies of a store of one job, and without the store file."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("talk.txt", chunks=["a"])
        job.complete(0, {"text": "A"})
        job.finish()
    (folder.path / ".processing_state.db").unlink()
    return folder


def keep(folder: Path, names: list[str]) -> None:
    (folder / ".processing_state.bak").write_bytes((folder / ".processing_state.json").read_bytes())
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


@pytest.mark.slow_variants
@pytest.mark.parametrize("names", COPIES.values(), ids=COPIES)
def test_the_command_names_the_copy_and_the_line_that_brings_the_store_back(gone: Folder, names: list[str]) -> None:
    """A command without its store file creates nothing, and prints the line that rebuilds the store from a copy."""
    keep(gone.path, names)
    line = f"checkpoint-store recover --store {gone.path / '.processing_state.db'}"
    for words in (["list"], ["doctor"], ["show", "talk.txt"], ["pause", "talk.txt"], ["check"]):
        told = gone.run(*words, code=2).stderr
        assert f"{names[0]} is there" in told, words
        assert told.rstrip().endswith(line), words
        assert "begin one" not in told, words
    assert gone.files() == set(names)
    gone.run(*line.split()[1:])
    assert gone.json("list")["jobs"][0]["status"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("names", COPIES.values(), ids=COPIES)
def test_an_emptied_store_is_spoken_of_like_one_that_is_gone(gone: Folder, names: list[str]) -> None:
    """A truncated file beside a copy is a loss, and nothing to begin a store in; the line that is printed works."""
    keep(gone.path, names)
    path = gone.path / ".processing_state.db"
    path.touch(mode=0o600)
    line = f"checkpoint-store recover --store {path}"
    for words in (["list"], ["show", "talk.txt"], ["check"]):
        told = gone.run(*words, code=2).stderr
        assert f"it is empty, but {names[0]} is there" in told, words
        assert told.rstrip().endswith(line), words
    (finding,) = (one for one in gone.json("doctor", code=1) if one["what"] == "contents")
    assert finding["level"] == "problem"
    assert finding["says"] == f"it is empty, but {names[0]} knows of completed chunks"
    assert finding["remedy"] == line
    assert path.stat().st_size == 0
    gone.run(*line.split()[1:])
    assert gone.json("list")["jobs"][0]["status"] == "completed"


def test_the_library_says_so_too(gone: Folder) -> None:
    """The library names the copies of a missing store in its own words; a file that is no state is no copy."""
    path = gone.path / ".processing_state.db"
    for look in (lambda: CheckpointStore(path, read_only=True), lambda: doctor(path), lambda: migration_status(path)):
        with pytest.raises(StoreTargetError, match=r"is there; bring the store back from it: recover_store\("):
            look()
    keep(gone.path, [".processing_state.json"])
    (gone.path / ".processing_state.json").write_text(json.dumps({"name": "package"}))
    with pytest.raises(StoreTargetError, match=r"there is no such file$"):
        CheckpointStore(path, read_only=True)


@pytest.mark.filterwarnings("default::checkpoint_store.StoreRecovered")
@pytest.mark.slow
@pytest.mark.parametrize("is_gone", [True, False])
@pytest.mark.parametrize("names", COPIES.values(), ids=COPIES)
def test_plan_says_what_run_and_resume_do_after_they_have_brought_the_store_back(
    lecture: Folder, names: list[str], is_gone: bool
) -> None:
    """Plan keeps what the copy has, and creates nothing; resume pays for the rest alone."""
    line = ["run", "lecture.txt", *SIX, *lecture.command()]
    lecture.run(*line[:2], "--only", "0-3", *line[2:])
    lecture.run("backup", "copy.db")
    (lecture.path / "copy.db").rename(lecture.path / COPIES["backup"][0])
    given = {"lecture.txt", "command.py", "calls.log"}
    keep(lecture.path, [*names, *given])
    if not is_gone:
        (lecture.path / ".processing_state.db").touch(mode=0o600)
        given.add(".processing_state.db")
    planned = lecture.run("plan", *line[1:])
    assert "to do  2 of 6 chunks" in planned.stdout
    assert f"{names[0]} is there; run, or resume, brings the store back from it" in planned.stderr
    assert lecture.files() == {*names, *given}
    if names == COPIES["backup"]:  # a state file does not remember the command
        lecture.run("resume")
    lecture.run(*line)
    assert len(lecture.calls()) == 6


@pytest.mark.slow
@pytest.mark.filterwarnings("default::checkpoint_store.StoreRecovered")
@pytest.mark.parametrize("is_gone", [True, False])
def test_plan_knows_of_results_that_are_not_recorded_yet(lecture: Folder, is_gone: bool) -> None:
    """A run takes them in first, and pays for the rest alone: plan counts them, or names their file, and leaves it."""
    line = ["run", "lecture.txt", *SIX, *lecture.command()]
    lecture.run(*line[:2], "--only", "0-3", *line[2:])
    path = lecture.path / ".processing_state.db"
    with CheckpointStore(path) as store:
        (job,) = store.jobs()
        completion = job._execution.completion(4, {"cleaned_text": "paid for"})
        plan = unrecorded_files.plan_digest(job._execution.recorded.record())
        kept = lecture.path / unrecorded_files.new_name(path)
        unrecorded_files.write(kept, [unrecorded_files.UnrecordedResult(completion, plan)])
    if is_gone:
        path.unlink()
    planned = lecture.run("plan", *line[1:])
    assert f"to do  {1 if is_gone else 2} of 6 chunks" in planned.stdout
    assert is_gone or f"{kept.name} has results that are not recorded yet; run takes them in first" in planned.stderr
    assert kept.exists()
    lecture.run(*line)
    assert (len(lecture.calls()), kept.exists()) == (5, False)


@pytest.mark.slow
@pytest.mark.filterwarnings("default::checkpoint_store.StoreRecovered")
def test_the_wal_counts_among_the_copies_of_a_store_that_is_gone(folder: Folder) -> None:
    """Without the store file, ``list`` names its WAL, and ``plan`` knows the results that the WAL alone has."""
    path = folder.path / "talks.db"
    with CheckpointStore(folder.path / "first.db", state_file=None) as store:
        store.open_job("talk.txt", chunks=["a", "b"]).complete_many([(0, "A"), (1, "B")])
        shutil.copyfile(folder.path / "first.db-wal", folder.path / "talks.db-wal")
    assert "talks.db-wal is there" in folder.run("list", "--store", "talks.db", code=2).stderr
    with stand_in(path) as trial:
        assert trial.jobs()[0].progress().completed_chunks == 2
    folder.run("recover", "--store", "talks.db")
    with CheckpointStore(path) as store:
        assert list(store.jobs()[0].results()) == ["A", "B"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default::checkpoint_store.StoreRecovered")
def test_run_takes_its_own_output_for_its_own_with_a_backup_alone(lecture: Folder) -> None:
    """The first look at a run, which is made before the store is begun, knows what the backup brings back."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run("backup", "copy.db")
    (lecture.path / "copy.db").rename(lecture.path / COPIES["backup"][0])
    keep(lecture.path, [*COPIES["backup"], "lecture.txt", "command.py", "calls.log", "lecture.cleaned.txt"])
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    assert len(lecture.calls()) == 6


def test_resume_begins_no_store(folder: Folder) -> None:
    """``resume`` without a store and without a copy says so, and leaves the folder as it is."""
    assert "there is no such file; begin one with" in folder.run("resume", code=2).stderr
    assert folder.files() == set()


@pytest.mark.slow
def test_a_run_after_a_torn_state_file_pays_only_for_what_is_lost(lecture: Folder) -> None:
    """The config is behind the tear: the refusal names the options with which the results are taken up."""
    run = ("run", "lecture.txt", *SIX)
    command = lecture.command(LOGGING_COMMAND)
    lecture.run(*run, *command)
    keep(lecture.path, [".processing_state.json", "lecture.txt", "command.py", "calls.log"])
    state = lecture.path / ".processing_state.json"
    state.write_bytes(state.read_bytes().partition(b'    {"chunk_index": 4')[0])
    report = lecture.run("recover", "--accept-loss", code=1).stderr
    assert "--on-change reuse --reuse-ignoring config --reuse-ignoring chunks" in report
    refused = lecture.run(*run, *command, code=2).stderr
    (line,) = [line for line in refused.splitlines() if "--reuse-ignoring" in line]
    assert line.endswith(" --reuse-ignoring chunks")
    assert "keeps 4, made with other settings, 4 of them by the place of the chunk" in refused
    lecture.run(*run, *line.split(), *command)
    assert len(lecture.calls()) == 6 + 2


@pytest.mark.slow
@pytest.mark.filterwarnings("default::checkpoint_store.StoreRecovered")
@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_a_copy_that_cannot_be_tried_ends_no_command_by_an_error_of_the_system(
    gone: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The command plan says what is there, and what brings the store back; run leaves it to the store, which can do without."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "a copy")

    gone.write("talk.txt", "a")
    gone.write("talk.cleaned.txt", "mine")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", refuse)
        told = gone.run("plan", "talk.txt", "--", "cat", code=2).stderr
        assert "there is no such file, but " in told
        assert f"checkpoint-store recover --store {gone.path / '.processing_state.db'}" in told
        told = gone.run("run", "talk.txt", "--", "cat", code=2).stderr
    assert "the job " in told
    assert ".processing_state.db" in gone.files()


@pytest.mark.slow
def test_of_the_backups_the_newest_is_tried(gone: Folder) -> None:
    """Ten copies of a store of gigabytes are not written again, only to look at what a run would do."""
    keep(gone.path, COPIES["backup"])
    content = (gone.path / COPIES["backup"][0]).read_bytes()
    for number in ("0002", "0010", "0010.corrupt-20260101T000000.000000Z"):
        (gone.path / f".processing_state.db.backup-1.5-{number}").write_bytes(content)
    (gone.path / COPIES["backup"][0]).write_bytes(b"no store")
    with stand_in(gone.path / ".processing_state.db") as trial:
        assert len(trial.jobs()) == 1
        tried = {path.name for path in trial.path.parent.iterdir() if ".backup-" in path.name}
    assert tried == {".processing_state.db.backup-1.5-0010"}
