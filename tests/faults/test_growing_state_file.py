"""Kills and power cuts while a large state file grows: the file is whole, and shows what was acknowledged."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ProcessingState
from faults.conftest import child_environment
from faults.crash import Disk, read_log
from faults.workload import ACKS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

    from faults.conftest import Figures

CHILD = program(__file__, "growing")
SHOWN, BEFORE = "talk.json", "talk.bak"
GROWN = 14
"""Chunks after which the state file takes turns with the one before."""


def _chunks_in(content: bytes) -> int:
    """How many chunks a state file shows; it is whole, and its results are those of its chunks."""
    state = ProcessingState.from_json(content)
    assert state.results() == {
        index: {"index": index, "text": f"{index} " * 2500} for index in range(len(state.completed_chunks))
    }
    return len(state.completed_chunks)


@pytest.mark.slow
def test_a_power_cut_leaves_the_state_file_whole(shim: Path, fast_folder: Path, figures: Figures) -> None:
    """Whatever got to the disk: the file is whole and shows each acknowledged chunk; the one before is whole or gone."""
    root, log = fast_folder / "run", fast_folder / "log"
    root.mkdir()
    environment = child_environment(LD_PRELOAD=str(shim), FAULTS_ROOT=str(root), FAULTS_LOG=str(log))
    subprocess.run([sys.executable, CHILD, root, str(GROWN + 6)], env=environment, check=True, timeout=120)
    rng, disk, states, gone = random.Random(1), Disk(), 0, 0
    exchanges = 0
    for record in read_log(log):
        disk.apply(record)
        exchanges += record.op == "R" and record.name == BEFORE
        if len(disk.acknowledged) < GROWN or record.name.startswith("talk.db"):
            continue
        for state in (disk.certain(), disk.complete(), disk.possible(rng), disk.possible(rng), disk.one_missing(rng)):
            states += 1
            assert _chunks_in(state[SHOWN]) >= len(disk.acknowledged)
            gone += BEFORE not in state
            if BEFORE in state:
                assert _chunks_in(state[BEFORE]) >= len(disk.acknowledged) - 2
    assert exchanges >= 5
    figures("growing state file, power cuts", states=states, without_one_before=gone)


def _kills(children: Children, folder: Path, kills: int, total: int) -> tuple[int, int]:
    """Kill a job at random moments; after each kill, look at its files, and now and then open its store."""
    random.seed(4)
    killed = gone = 0
    while killed < kills:
        child = children.start(CHILD, folder, total)
        acks = folder / ACKS
        begun = acks.stat().st_size if acks.exists() else 0
        while child.poll() is None and (not acks.exists() or acks.stat().st_size == begun):
            time.sleep(0.001)  # until it is at work: the start of a program is not what is killed here
        time.sleep(random.uniform(0.0, 0.2))
        child.kill()
        killed += child.wait() != 0
        acknowledged = len(acks.read_text("ascii").split())
        shown = _chunks_in((folder / SHOWN).read_bytes())
        assert shown >= acknowledged
        gone += not (folder / BEFORE).exists()
        if (folder / BEFORE).exists():
            _chunks_in((folder / BEFORE).read_bytes())
        assert {os.stat(one).st_mode & 0o777 for one in folder.glob("talk*")} == {0o600}
        if shown == total:
            shutil.rmtree(folder)
            folder.mkdir()
    with CheckpointStore(folder / "talk.db") as store:
        store.jobs()
        assert store.check() == []
    assert not list(folder.glob("*.tmp-*"))
    return killed, gone


@pytest.mark.slow
def test_a_kill_leaves_the_state_file_whole(children: Children, tmp_path: Path) -> None:
    """Eight kills leave the state file whole, the file before it whole or gone, and nothing else behind."""
    folder = tmp_path / "run"
    folder.mkdir()
    _kills(children, folder, 8, 200)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_three_hundred_kills_leave_the_state_file_whole(children: Children, tmp_path: Path, figures: Figures) -> None:
    """Three hundred kills leave the state file whole."""
    folder = tmp_path / "run"
    folder.mkdir()
    killed, gone = _kills(children, folder, 300, 200)
    figures("growing state file, kills", kills=killed, without_one_before=gone, torn=0)
