"""A processor with four threads is killed at random moments until its job is done.

Every chunk that was acknowledged is there with its exact result, none was completed twice, and the file is sound.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, program

from checkpoint_store import CheckpointStore, ProcessingState

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

    from checkpoint_store.testing.killing import KillAndResume

# Prints "begun INDEX" before and "done INDEX HASH" after each call of complete, whole lines at a time.
PROCESSOR = program(__file__, "processor")


@dataclass
class Storm:
    """One storm, and what it saw."""

    folder: Path
    total: int
    pace_seconds: float
    """How long a chunk takes at most: what keeps a fast machine from being done before it was killed enough."""
    kills: int = 0
    finished: bool = False
    acknowledged: dict[int, str] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)
    unheard: int = 0
    phases: Counter[str] = field(default_factory=Counter)

    def run(self, kills: int, longest_seconds: float) -> None:
        """Start and kill the processor until ``kills`` are reached, then let it finish."""
        while self.kills < kills and not self.finished:
            self._run_once(random.uniform(0.0, longest_seconds))
        while not self.finished:
            self._run_once(None)

    def _run_once(self, seconds: float | None) -> None:
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, PROCESSOR, str(self.kills), str(self.total), str(self.pace_seconds)],
                cwd=self.folder,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                stdout=log,
                stderr=subprocess.PIPE,
            )
            if seconds is not None:
                # Half of the kills fall on the start, the others on the work.
                self._wait_for_work(process) if random.random() < 0.7 else None
                time.sleep(seconds)
                process.kill()
            errors = process.communicate(timeout=240)[1].decode()
        killed = process.returncode == -9
        assert killed or process.returncode == 0, errors
        assert errors == ""
        self._read_log(killed=killed)
        self._look_at_the_state_file()

    def _wait_for_work(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and (self.folder / "log").stat().st_size == 0:
            time.sleep(0.002)

    def _read_log(self, *, killed: bool) -> None:
        begun = set()
        lines = (self.folder / "log").read_text().splitlines(keepends=True)
        self.kills += killed
        for line in lines:
            words = line.split()
            if not line.endswith("\n"):
                continue
            if words[0] == "begun":
                begun.add(int(words[1]))
            elif words[0] == "done":
                index = int(words[1])
                if index in self.acknowledged:
                    self.again.append(index)
                self.acknowledged[index] = words[2]
                begun.discard(index)
            else:
                self.finished = True
        self.unheard += len(begun)
        self.phases["at the start" if not lines else "at work" if killed else "not killed"] += 1

    def _look_at_the_state_file(self) -> None:
        path = self.folder / "talks.json"
        if path.exists():
            ProcessingState.from_json(path.read_bytes())

    def check(self) -> str:
        """Compare what was acknowledged with what is there; return the figures."""
        with CheckpointStore(self.folder / "talks.db") as store:
            assert store.recovery is None
            (job,) = store.jobs()
            assert job.status == "completed"
            there = {index: sha256(json.dumps(result).encode()).hexdigest() for index, result in job.items()}
            assert store.check() == []
            assert ProcessingState.from_json((self.folder / "talks.json").read_bytes()) == job.state()
        assert sorted(there) == list(range(self.total))
        lost = [index for index, digest in self.acknowledged.items() if there[index] != digest]
        assert lost == []
        assert self.again == []
        with closing(sqlite3.connect(self.folder / "talks.db")) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        return (
            f"{self.kills} kills ({dict(self.phases)}), {self.total} chunks, {len(self.acknowledged)} acknowledged, "
            f"0 of them lost or changed, 0 done twice, {self.unheard} calls killed before they returned"
        )


@pytest.mark.slow
def test_a_processor_with_threads_resumes_at_every_call(kill_and_resume: KillAndResume) -> None:
    """The shortest form: killed in the calls of four threads, it asks for nothing that was acknowledged."""
    seen = kill_and_resume(PROCESSOR, 0, 40, 0.0, paid="result_for", calls_at_once=4, kills=4)
    assert seen.calls == 40
    assert 0 < seen.kills <= 4  # one kill may meet two of the chosen calls
    with CheckpointStore(seen.folder / "talks.db") as store:
        assert store.job("lecture.srt").status == "completed"
        assert store.check() == []


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_by_a_few_kills(tmp_path: Path) -> None:
    """A few kills lose no acknowledged chunk."""
    storm = Storm(tmp_path, total=600, pace_seconds=0.02)
    storm.run(kills=8, longest_seconds=0.3)
    storm.check()


@pytest.mark.storm
@pytest.mark.timeout(3000)
def test_nothing_acknowledged_is_lost_by_hundreds_of_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The long form: at least 200 kills of one job."""
    storm = Storm(tmp_path, total=10_000, pace_seconds=0.08)
    storm.run(kills=220, longest_seconds=0.7)
    figures = storm.check()
    with capsys.disabled():
        print(f"\nkill storm: {figures}")
    assert storm.kills >= 200


@pytest.mark.slow
def test_a_call_that_never_returned_is_whole_or_absent(children: Children, tmp_path: Path) -> None:
    """A result without its chunk, or a chunk without its result, is never seen, at whatever write the kill falls."""
    for number in range(1, 30):
        process = children.start(program(__file__, "kill_at_statement"), number)
        process.communicate(timeout=60)
        with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
            (job,) = store.jobs()
            found = dict(job.items())
            assert found in ({0: 0, 1: 1}, {0: 0, 1: 1, 2: 2, 3: 3})
            assert job.progress().completed_chunks == len(found)
            assert store.check() == []
            store.delete_job(job.job_id)
        if process.returncode == 0:
            break
    assert number > 5


@pytest.mark.slow
def test_the_log_that_killed_writers_leave_does_not_grow_for_ever(children: Children, tmp_path: Path) -> None:
    """Each run is killed before it wrote enough to copy the log into the file; together they wrote much."""
    for _ in range(5):
        children.run(program(__file__, "kill_after_fifteen"), code=-9)
    assert (tmp_path / "talks.db-wal").stat().st_size < 10 * 1024 * 1024
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        assert store.latest_job().progress().completed_chunks == 75  # type: ignore[union-attr]
