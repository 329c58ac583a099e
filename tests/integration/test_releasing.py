"""A runner that was stopped keeps its chunks; whoever releases it by hand gets them, and nobody else does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, program, wait_until

from checkpoint_store import CheckpointStore, InvalidArgumentError, JobBusy

if TYPE_CHECKING:
    from subprocess import Popen

    from conftest import Children

loops = pytest.mark.parametrize("loop", ["pending", "map"])


def stopped(children: Children, loop: str, *, exclusive: bool = False) -> Popen[str]:
    """Start a process that stops itself in the middle of chunk 2."""
    worker = children.start(program(__file__, "stop_in_chunk"), 2, loop, exclusive)
    while children.next_line(worker) != "begun 2":
        pass
    wait_until(lambda: Path(f"/proc/{worker.pid}/stat").read_text().rpartition(") ")[2][0] == "T")
    return worker


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "checkpoint_store", *words, "--store", "talks.db"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@loops
def test_a_stopped_runner_keeps_its_chunks_until_it_is_released(tmp_path: Path, children: Children, loop: str) -> None:
    """The command names the risk; the process that goes on records what it had in hand, and starts nothing more."""
    worker = stopped(children, loop)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        taken = [chunk.index for chunk in job.pending() if chunk.complete("by the other") is None]
        assert 2 not in taken
        (runner,) = job.runners()
        assert (runner.pid, runner.is_alive, runner.chunks_in_hand >= 1) == (worker.pid, True, True)
        done = command(tmp_path, "release", job.job_id, "--runner", str(runner.runner))
        assert done.returncode == 0, done.stderr
        assert f"process {worker.pid} on {runner.host} is not dead" in done.stderr
        assert "may be paid for twice" in done.stderr
        assert [record.chunk_index for record in job.in_doubt_chunks()] == [2]
        assert job.runners() == []
        left = [chunk.index for chunk in job.pending()]
        assert 2 in left
        os.kill(worker.pid, signal.SIGCONT)
        said = children.finish(worker)
        assert "begun" not in said, said
        if len(left) > 1:
            assert f"runner {runner.runner} of job {job.job_id} was released by hand" in said
        assert job.result(2) == "by the stopped one"
        assert [chunk.index for chunk in job.pending() if chunk.complete("by the other") is None] == left[1:]
        assert job.progress().remaining_chunks == 0
        assert store.check() == []


@pytest.mark.slow
@loops
def test_a_released_runner_ends_before_it_starts_a_chunk(tmp_path: Path, children: Children, loop: str) -> None:
    """Nobody took the others meanwhile: it is stopped by its own look, and its next run goes on."""
    worker = stopped(children, loop)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        job.release_runner(job.runners()[0].runner)
        os.kill(worker.pid, signal.SIGCONT)
        said = children.finish(worker)
        assert "was released by hand" in said
        assert "begun" not in said
        assert [chunk.index for chunk in job.pending() if chunk.complete("by the other") is None] == [3, 4, 5]


@pytest.mark.slow
def test_another_runners_result_stands(tmp_path: Path, children: Children) -> None:
    """The chunk in hand was done by another meanwhile: paid for twice, recorded once, and the loop says so."""
    worker = stopped(children, "map")
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        job.release_runner(job.runners()[0].runner)
        assert [chunk.index for chunk in job.pending() if chunk.complete("by the other") is None] == [2, 3, 4, 5]
        os.kill(worker.pid, signal.SIGCONT)
        children.finish(worker)
        assert [job.result(index) for index in (1, 2)] == ["by the stopped one", "by the other"]
        assert store.check() == []


@pytest.mark.slow
def test_an_exclusive_runner_is_named_with_its_number(tmp_path: Path, children: Children) -> None:
    """``JobBusy`` says which call releases it; then the job can be opened."""
    worker = stopped(children, "pending", exclusive=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        number = job.runners()[0].runner
        with pytest.raises(JobBusy, match=rf"job\.release_runner\({number}\)"):
            next(iter(job.pending()))
        assert f"{number} (process {worker.pid} on " in command(tmp_path, "show").stdout.replace("\n", " ")
        assert "runner" in command(tmp_path, "doctor").stdout
        job.release_runner(number)
        assert next(iter(job.pending())).index == 2
    worker.kill()


@pytest.mark.slow
def test_what_is_no_runner_is_refused(tmp_path: Path, children: Children) -> None:
    """A number that nobody has, one that has ended, and one of a killed process: told apart from one at work."""
    children.run("from checkpoint_store import *\nwith CheckpointStore('talks.db') as store:\n"
                 "    job = store.open_job('talk.srt', total_chunks=6)\n    next(iter(job.pending())).complete(1)")  # fmt: skip
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        for number in (1, 99):
            with pytest.raises(InvalidArgumentError, match=f"runner={number} is no runner at work .* none is at work"):
                job.release_runner(number)
    done = command(tmp_path, "release", job.job_id, "--runner", "7", "--json")
    assert (done.returncode, "--runner 7 is no runner at work" in done.stdout + done.stderr) == (2, True)


@pytest.mark.slow
def test_as_json(tmp_path: Path, children: Children) -> None:
    """``release --json`` says what was released."""
    worker = stopped(children, "pending")
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        job = store.jobs()[0]
    (runner,) = json.loads(command(tmp_path, "show", "--json").stdout)["runners"]
    done = command(tmp_path, "release", job.job_id, "--runner", str(runner["runner"]), "--json")
    said = json.loads(done.stdout)
    assert (said["job_id"], said["runner"], said["pid"], said["is_alive"]) == (job.job_id, 1, worker.pid, True)
    assert said["freed_chunks"] == runner["chunks_in_hand"] >= 1
    worker.kill()
