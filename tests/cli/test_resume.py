"""``resume``: a job goes on with the command that it remembers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX
from .test_interrupts import WAITING_COMMAND, wait_for

if TYPE_CHECKING:
    from .conftest import Folder

STORE = ".processing_state.db"
FAILS_ONCE = (
    "import pathlib, sys; t = sys.stdin.read(); p = pathlib.Path('mended')\nif not p.exists(): sys.exit(3)\nprint(t)"
)


@pytest.mark.slow
def test_a_killed_run_is_resumed_from_another_folder(lecture: Folder) -> None:
    """Killed in the middle, the job goes on in its own folder, and no finished chunk is asked for again."""
    process = lecture.process("run", "lecture.txt", *SIX, *lecture.command(WAITING_COMMAND))
    wait_for(lecture.path / "waiting", process)
    process.kill()
    (lecture.path / "release").touch()
    process.communicate()
    assert "go on with: checkpoint-store resume" in lecture.run("show").stdout
    elsewhere = lecture.path / "elsewhere"
    elsewhere.mkdir()
    resumed = lecture.process("resume", "--store", lecture.path / STORE, cwd=elsewhere)
    assert resumed.communicate() is not None
    assert resumed.returncode == 0
    calls = lecture.calls()
    assert [sum(f"Paragraph {number}" in call for call in calls) for number in range(6)] == [1, 1, 2, 1, 1, 1]
    again = lecture.run("resume", "lecture.txt")
    assert "is complete" in again.stderr
    assert lecture.calls() == calls


def test_failed_chunks_are_freed(lecture: Folder) -> None:
    """With --failed the chunks that used up their tries are tried again, too; without it they are not."""
    lecture.run("run", "lecture.txt", *SIX, "--retries", "0", *lecture.command(FAILS_ONCE), code=1)
    with CheckpointStore(lecture.path / STORE) as store:
        job = store.job("lecture.txt")
        for _ in range(3):
            job.fail_chunk(0, "no")
        assert job.failed_chunks()
    (lecture.path / "mended").touch()
    lecture.run("resume", code=1)
    lecture.run("resume", "--failed")
    assert lecture.json("resume")["exit_code"] == 0


def test_a_job_without_memory_says_so(folder: Folder) -> None:
    """A job that a program began is left as it is, and the command to type is shown."""
    with CheckpointStore(folder.path / STORE) as store:
        store.open_job("talk.txt", chunks=["a"], metadata={"mine": 1})
    error = " ".join(folder.run("resume", code=2).stderr.split())
    assert "does not remember its command" in error
    assert "with the program that opened it, or with checkpoint-store run FILE" in error
    assert "go on with" not in folder.run("show").stdout


@pytest.mark.slow
def test_a_job_of_standard_input_is_gone_on_with_by_the_same_text(lecture: Folder) -> None:
    """The store does not keep the text: resume says that, and the line that it names pays for the rest alone."""
    line = ("run", "-", *SIX, "--only", "0-3", *lecture.command())
    text = lecture.read("lecture.txt")
    lecture.process(*line, stdin=subprocess.PIPE).communicate(text)
    said = lecture.run("resume", code=2).stderr
    assert "is the job of standard input, whose text the store does not keep" in said
    assert "with the same text, options and COMMAND: checkpoint-store run - [OPTIONS] [-- COMMAND] < FILE" in said
    assert "secret" not in said
    lecture.process("run", "-", *SIX, *lecture.command(), stdin=subprocess.PIPE).communicate(text)
    assert len(lecture.calls()) == 6


@pytest.mark.slow
def test_metadata_of_the_user_stays(lecture: Folder) -> None:
    """The command line is one key beside what the user said about the job."""
    words = ("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run(*words)
    with CheckpointStore(lecture.path / STORE) as store:
        store.job("lecture.txt").set_metadata({"mine": 1})
    lecture.run(*words)
    metadata = lecture.json("show")["metadata"]
    assert metadata["mine"] == 1
    assert metadata["command_line"]["words"][0] == str(lecture.path / "lecture.txt")


@pytest.mark.slow
def test_a_secret_is_not_remembered(lecture: Folder) -> None:
    """An option that holds a secret does not make the run fail for the memory, and no secret is stored by it."""
    secret = "sk-proj-" + "a1B2c3D4" * 6
    process = lecture.process("run", "lecture.txt", *SIX, "--output", f"{secret}.txt", *lecture.command())
    assert process.communicate() is not None
    assert process.returncode == 0
    assert "command_line" not in lecture.json("show")["metadata"]


def test_resume_offers_no_job_that_another_replaced(lecture: Folder) -> None:
    """``resume`` without JOB goes on with no job that another job replaced."""
    with CheckpointStore(lecture.path / ".processing_state.db") as store:
        store.open_job("lecture.txt", chunks=["a", "b"]).complete(0, "A")
        store.open_job("lecture.txt", chunks=["a"], on_change="reuse")
        assert [job.superseded_by is None for job in store.jobs()] == [True, False]
    assert "there is nothing to go on with" in lecture.run("resume").stderr


OCCUPIES_OUTPUT = (
    "import os, pathlib, sys\ntext = sys.stdin.read()\n"
    "if os.environ['CHECKPOINT_STORE_CHUNK_INDEX'] == '5': pathlib.Path('lecture.cleaned.txt').write_text('theirs')\nprint(text)"
)


@pytest.mark.slow
def test_a_text_that_could_not_be_written_is_written(lecture: Folder) -> None:
    """All chunks are paid for, and a stranger's file is in the way of the text: once it is away, resume writes the text."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(OCCUPIES_OUTPUT), code=2)
    refused = " ".join(lecture.run("resume", code=2).stderr.split())
    assert lecture.read("lecture.cleaned.txt") == "theirs"
    assert "--output and --force are options of run: " in refused
    (lecture.path / "lecture.cleaned.txt").unlink()
    lecture.run("resume")
    assert "Paragraph 5" in lecture.read("lecture.cleaned.txt")
    assert "there is nothing to go on with" in lecture.run("resume").stderr


@pytest.mark.slow
def test_an_edited_text_of_a_complete_job_is_left_to_its_owner(lecture: Folder) -> None:
    """A text that a person edited was written: resume has nothing to do, and leaves the text as it is."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    lecture.write("lecture.cleaned.txt", "edited")
    (lecture.path / "lecture.txt").unlink()
    assert "there is nothing to go on with" in lecture.run("resume", "lecture.txt").stderr
    assert lecture.read("lecture.cleaned.txt") == "edited"
