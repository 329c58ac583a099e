"""``run`` with several workers, retries, a time limit and a budget; and pause, from elsewhere."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import program
from each_case import each_case

from .conftest import SIX, Folder
from .test_interrupts import is_alive, paragraphs, until

if TYPE_CHECKING:
    import subprocess

# Logs its process and waits for "release"; so all that are in work at the same time are known.
HANGING = program(__file__, "hanging")
# Fails at paragraph 3 as often as the file "failures" says.
FAILS_OFTEN = program(__file__, "fail_often")
PRICED = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "cost": 0.25}))"""


def pids(folder: Folder) -> list[int]:
    """Return the processes that the hanging COMMAND was."""
    path = folder.path / "pids.log"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def hanging(folder: Folder, count: int, *words: object) -> subprocess.Popen[str]:
    """Start a run of so many workers, and wait until each has a COMMAND of its own."""
    command = folder.command(HANGING)
    process = folder.process("run", "lecture.txt", *SIX, "--workers", count, *words, *command)
    until(lambda: len(pids(folder)) >= count or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


# -- workers


@pytest.mark.slow
def test_workers_run_as_many_commands_at_once(lecture: Folder) -> None:
    """Three are under way at the same time, never more, and the text is joined in order whoever was first."""
    process = hanging(lecture, 3)
    time.sleep(0.3)
    assert len(pids(lecture)) == 3
    lecture.write("release", "")
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert sorted(paragraphs(lecture)) == list(range(6))
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


@pytest.mark.slow
def test_ctrl_c_once_finishes_what_every_worker_has_in_hand(lecture: Folder) -> None:
    """Three chunks are in hand: all three are recorded, none is begun, exit 75."""
    process = hanging(lecture, 3)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    until(lambda: "finishing" in process.stderr.readline())
    lecture.write("release", "")
    _, stderr = process.communicate()
    assert (process.returncode, "3 of 6 chunks done and safe" in stderr) == (75, True)
    job = lecture.json("show")
    assert (job["status"], job["completed_ranges"], job["in_doubt_chunks"]) == ("paused", [[0, 3]], 0)


@pytest.mark.slow
def test_ctrl_c_twice_ends_every_command(lecture: Folder) -> None:
    """No COMMAND outlives it, the chunks in hand are in doubt, held against no chunk, and done by the next run."""
    process = hanging(lecture, 3)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    until(lambda: "finishing" in process.stderr.readline())
    time.sleep(0.2)  # two signals within a tenth of a second are one press
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "3 in doubt" in stderr
    until(lambda: not any(map(is_alive, pids(lecture))))
    job = lecture.json("show")
    assert (job["status"], job["failed_chunks"], job["in_doubt_chunks"]) == ("paused", 0, 3)
    assert "3 chunks" in lecture.run("show").stdout
    assert "IN DOUBT" in lecture.run("list").stdout
    lecture.write("release", "")
    lecture.run("run", "lecture.txt", *SIX, "--workers", 3, *lecture.command(HANGING))
    assert lecture.json("show")["in_doubt_chunks"] == 0


@pytest.mark.slow
def test_two_runs_share_the_chunks(lecture: Folder) -> None:
    """A second run beside the first pays for no chunk that the first has in hand; both end with the whole text."""
    words = ("run", "lecture.txt", *SIX, "--workers", 2, *lecture.command(HANGING))
    both = [lecture.process(*words) for _ in range(2)]
    until(lambda: len(pids(lecture)) == 4 or any(process.poll() is not None for process in both))
    lecture.write("release", "")
    for process in both:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
    assert sorted(paragraphs(lecture)) == list(range(6))


# -- retries


@pytest.mark.slow
def test_retries_try_a_chunk_again(lecture: Folder) -> None:
    """Two failures, two retries: the chunk is done, and each try is an attempt of its own."""
    lecture.write("failures", "2")
    report = lecture.json("run", "lecture.txt", *SIX, "--retries", 2, *lecture.command(FAILS_OFTEN))
    assert (report["jobs"][0]["done_now"], report["jobs"][0]["failed_chunks"]) == (6, 0)
    assert paragraphs(lecture).count(3) == 3


@pytest.mark.slow
def test_a_chunk_that_used_up_its_retries_is_passed_over_until_retry(lecture: Folder) -> None:
    """The others are done, exit 1 says which failed; later runs pass it over; ``retry`` frees it for the next one."""
    lecture.write("failures", "100")
    words = ("run", "lecture.txt", *SIX, "--retries", 1, *lecture.command(FAILS_OFTEN))
    done = lecture.run(*words, code=1)
    job = lecture.json("show")
    assert "chunk 3, after 2 tries: " in done.stderr
    assert "CommandFailedError" not in done.stderr
    assert "5 of 6 chunks done and safe" in done.stderr
    assert f"checkpoint-store retry {job['job_id'][:8]}" in done.stderr
    assert (job["status"], job["failed_chunks"], job["completed_chunks"]) == ("failed", 1, 5)
    calls = len(lecture.calls())
    assert "chunk 3, after 2 tries" in lecture.run(*words, code=1).stderr
    # The line by itself would pass the chunk over again.
    assert f"  try again with:  checkpoint-store retry {job['job_id'][:8]} && " in done.stderr
    assert (
        "chunk 3, after 2 tries" in lecture.run("run", "lecture.txt", *SIX, *words[words.index("--") :], code=1).stderr
    )
    assert len(lecture.calls()) == calls
    lecture.write("failures", "0")
    assert lecture.json("retry", job["job_id"])["freed_chunks"] == 1
    lecture.run(*words)
    assert paragraphs(lecture)[calls:] == [3]
    assert lecture.json("show")["failed_chunks"] == 0


@pytest.mark.slow
def test_a_failure_without_retries_is_held_against_no_chunk(lecture: Folder) -> None:
    """A chunk that failed in plain runs has all its tries in a run with --retries."""
    lecture.write("failures", "4")
    words = ("run", "lecture.txt", *SIX)
    for _ in range(3):
        lecture.run(*words, *lecture.command(FAILS_OFTEN), code=1)
    lecture.run(*words, "--retries", 1, *lecture.command(FAILS_OFTEN))
    assert paragraphs(lecture).count(3) == 5


def test_a_command_that_is_not_there_is_tried_once(lecture: Folder) -> None:
    """A COMMAND that does not exist is tried once, whatever the retries, and blames no chunk."""
    done = lecture.run("run", "lecture.txt", *SIX, "--retries", 5, "--", "no-such-program-anywhere", code=1)
    assert "cannot be started" in done.stderr
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as raw:
        assert raw.execute("SELECT chunk_index, number FROM attempts").fetchall() == [(0, 1)]
    assert lecture.json("show")["failed_chunks"] == 0


# -- time limit and budget


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [3, 1])
def test_a_timeout_ends_the_command_of_its_chunk(lecture: Folder, workers: int) -> None:
    """The process is gone, not only given up on, and the reason says how long it had."""
    words = ("--workers", workers, "--timeout", 2, *lecture.command(HANGING))
    done = lecture.run("run", "lecture.txt", *SIX, *words, code=1)
    assert "took longer than 2 s and was ended; more time: --timeout" in done.stderr
    assert len(pids(lecture)) == workers
    until(lambda: not any(map(is_alive, pids(lecture))))


def test_a_timeout_is_for_a_command(lecture: Folder) -> None:
    """The built-in cleaner takes no time; that the option does nothing there is said."""
    assert "--timeout is for a COMMAND" in lecture.run("run", "lecture.txt", "--timeout", 5, code=2).stderr


def test_max_cost_pauses_before_it_is_exceeded(lecture: Folder) -> None:
    """Three chunks at 0.25 fit into 0.8: exit 75, the job is paused, and a higher limit goes on."""
    words = ("run", "lecture.txt", *SIX)
    done = lecture.run(*words, "--max-cost", 0.8, *lecture.command(PRICED), code=75)
    assert "--max-cost 0.8 is reached: 0.75 spent, and the dearest chunk cost 0.25" in done.stderr
    assert "  go on with a higher AMOUNT, or none for no limit:  " in done.stderr
    assert lecture.json("show")["status"] == "paused"
    report = lecture.json(*words, "--max-cost", 2, *lecture.command(PRICED))["jobs"][0]
    assert (report["done_before"], report["done_now"], report["cost"], report["cost_now"]) == (3, 3, 1.5, 0.75)


@pytest.mark.slow
def test_no_limit_goes_on_after_a_budget(lecture: Folder) -> None:
    """Run takes ``--max-cost none`` as resume does, and the job remembers no budget."""
    words = ("run", "lecture.txt", *SIX)
    lecture.run(*words, "--max-cost", 0.3, *lecture.command(PRICED), code=75)
    assert "go on with a higher AMOUNT, or none for no limit: " in lecture.run("show").stdout
    lecture.run(*words, "--max-cost", "none", "--only", "0-2", *lecture.command(PRICED))
    job = lecture.json("resume")["jobs"][0]
    assert (job["completed_chunks"], job["cost"]) == (6, 1.5)


@each_case("words", [["--workers", "0"], ["--retries", "-1"], ["--timeout", "0"], ["--max-cost", "-1"]])
def test_numbers_that_mean_nothing_are_refused(lecture: Folder, words: list[str]) -> None:
    """Exit 2, the option is named, and no store is made."""
    before = lecture.files()
    assert words[0] in lecture.run("run", "lecture.txt", *words, "--", "cat", code=2).stderr
    assert lecture.files() == before


# -- pause


@pytest.mark.slow
def test_pause_ends_a_run_from_elsewhere(lecture: Folder) -> None:
    """The run finishes the chunks in hand, ends with exit 75, and the next one goes on with the rest."""
    process = hanging(lecture, 2)
    job_id = lecture.json("list")["jobs"][0]["job_id"]
    assert lecture.json("pause", job_id) == {"job_id": job_id, "status": "paused", "running_chunks": 2}
    time.sleep(0.5)
    assert process.poll() is None  # the chunks in hand are not dropped
    lecture.write("release", "")
    _, stderr = process.communicate()
    assert (process.returncode, "2 of 6 chunks done and safe" in stderr) == (75, True), stderr
    assert lecture.json("show")["status"] == "paused"
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(HANGING))
    assert sorted(paragraphs(lecture)) == list(range(6))


def test_pausing_what_is_done_changes_nothing(lecture: Folder) -> None:
    """A completed job stays completed, and that is said."""
    lecture.run("run", "lecture.txt")
    job_id = lecture.json("show")["job_id"]
    assert "there is nothing to pause" in lecture.run("pause", job_id).stderr
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow
def test_a_killed_run_leaves_its_chunks_in_doubt(lecture: Folder) -> None:
    """A reading command shows the chunks in doubt of a killed run at once, and that they are done again."""
    process = hanging(lecture, 2)
    job_id = lecture.json("list")["jobs"][0]["job_id"]
    running = lecture.json("chunks", job_id, "--status", "running")["chunks"]
    assert [row["start"] for row in running] == [0, 1]
    process.kill()
    process.communicate()
    before = {path.name: path.read_bytes() for path in lecture.path.iterdir()}
    counts = lecture.json("chunks", job_id)["counts"]
    assert counts == {"pending": 4, "to-redo": 0, "running": 0, "completed": 0, "failed": 0, "in-doubt": 2}
    assert "chunk 0  in doubt, tried again by the next run" in lecture.run("errors", job_id).stdout
    plan = lecture.json("plan", "lecture.txt", *SIX, *lecture.command(HANGING))["plans"][0]
    assert (plan["action"], plan["in_doubt"], plan["chunks_to_do"]) == ("resume", [0, 1], 6)
    assert {path.name: path.read_bytes() for path in lecture.path.iterdir()} == before
    lecture.write("release", "")
