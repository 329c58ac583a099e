"""What a power cut may leave on the disk, built from every write and sync of real runs through the library."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError, ProcessingState, StateFormatError
from checkpoint_store.storage.connection import pragmas
from faults.conftest import Figures, child_environment
from faults.crash import Disk, Record, read_log
from faults.workload import ACKS, COPY, INPUT, STATE, STORE, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOTAL = 12
State = tuple[dict[str, bytes], tuple[str, ...]]
"""What is in each file, and what had been acknowledged."""


def _run(shim: Path, folder: Path, *, processes: int = 1, **options: Any) -> list[Record]:
    """Run the workload to its end and return what it did to the disk."""
    root, log = folder / "run", folder / "log"
    root.mkdir(parents=True)
    settings = {
        "total": TOTAL, "durability": "power-loss", "journal": "wal", "careless_files": False,
        "processes": processes, "process": 0,
    } | options  # fmt: skip
    environment = child_environment(LD_PRELOAD=str(shim), FAULTS_ROOT=str(root), FAULTS_LOG=str(log))
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "faults.workload", root, json.dumps(settings | {"process": number})],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for number in range(processes)
    ]  # fmt: skip
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    records = read_log(log)
    shutil.rmtree(folder)
    return records


def _states(records: list[Record], samples: int, *, most: int | None = None, seed: int = 1) -> Iterator[State]:
    """Yield contents that the disk may have, no two the same, with what was acknowledged before.

    At every point of the run: the two extremes, and ``samples`` random ones, every fourth of which has just one
    change missing. Where only about ``most`` are wanted: one of them at each of so many points.
    """
    rng, disk, seen = random.Random(seed), Disk(), set()
    points = None if most is None else set(rng.sample(range(len(records)), min(most, len(records))))
    for number, record in enumerate(records):
        disk.apply(record)
        if points is not None and number not in points:
            continue
        makers = [disk.certain, disk.complete]
        makers += [partial(disk.one_missing if n % 4 == 3 else disk.possible, rng) for n in range(samples)]
        for make in makers if most is None else [rng.choice(makers)]:
            state = make()
            mark = _digest(state, len(disk.acknowledged))
            if mark not in seen:
                seen.add(mark)
                yield state, tuple(disk.acknowledged)


def _worst(records: list[Record]) -> Iterator[State]:
    """Yield what is there after each acknowledgement if nothing but what was synced got to the disk."""
    disk = Disk()
    for record in records:
        disk.apply(record)
        if record.name == ACKS:
            yield disk.certain(), tuple(disk.acknowledged)


def _digest(state: dict[str, bytes], acknowledged: int) -> bytes:
    total = hashlib.sha256(str(acknowledged).encode())
    for name, content in sorted(state.items()):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.digest()


class _Verdicts:
    """Opens each state as the next run would, and counts."""

    def __init__(self, folder: Path, total: int) -> None:
        self.folder, self.total = folder, total
        self.count: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._copies: dict[bytes | None, tuple[str, ...]] = {}

    def judge(self, state: dict[str, bytes], acknowledged: tuple[str, ...]) -> None:
        self.count["states"] += 1
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            for file, content in state.items():
                (folder / file).write_bytes(content)
                os.utime(folder / file, (1e9, 1e9))  # the machine was off for a while
            if "opened" in acknowledged:
                self._state_file(folder)
            if "copied" in acknowledged and self._copies.get(state.get(COPY)) != acknowledged:
                self._copies[state.get(COPY)] = acknowledged
                self._open(folder / COPY, acknowledged[: acknowledged.index("copied")], state_file=None)
            # First without the state file, which could bring back what the store has lost.
            if self._open(folder / STORE, acknowledged, state_file=None):
                self._open(folder / STORE, acknowledged)

    def _note(self, verdict: str, what: object, acknowledged: tuple[str, ...]) -> None:
        self.count[verdict] += 1
        self.examples.setdefault(verdict, f"{what} after {len(acknowledged)} acknowledgements")

    def _state_file(self, folder: Path) -> None:
        for name in (STATE, STATE.replace(".json", ".bak")):
            try:
                ProcessingState.from_json((folder / name).read_bytes())
            except (StateFormatError, FileNotFoundError):
                continue
            return
        self.count["unreadable_state_file"] += 1

    def _open(self, path: Path, acknowledged: tuple[str, ...], **options: Any) -> bool:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                with CheckpointStore(path, **options) as store:
                    self._compare(store, acknowledged)
            except CheckpointStoreError as error:
                self._note("refused", f"{type(error).__name__}: {error}", acknowledged)
                return False
        if warned:
            # Claims do not wait for the disk, so several may be torn at once; that looks like a log that was broken
            # later, where completions may stand behind the break. Then every page is looked at, and that is said.
            torn = "broken in the middle, and more was committed" in str(warned[0].message)
            self._note("alarmed" if torn else "warned", warned[0].message, acknowledged)
        return True

    def _compare(self, store: CheckpointStore, acknowledged: tuple[str, ...]) -> None:
        wanted: dict[int, int] = {}
        for line in acknowledged:
            if line[0].isdigit():
                index, version = map(int, line.split())
                wanted[index] = max(version, wanted.get(index, 0))
        jobs = store.jobs()
        if not jobs and "opened" in acknowledged:
            self._note("lost", "the job is gone", acknowledged)
            return
        job = jobs[0] if jobs else store.open_job(INPUT, total_chunks=self.total)
        found = dict(job.items())
        # A replacement that was not acknowledged yet may be there or not.
        if any(found[index] not in (result_of(index), result_of(index, 1)) for index in found):
            self._note("wrong", "a result that was never given", acknowledged)
        lost = [i for i, v in wanted.items() if i not in found or found[i]["version"] < v]
        if lost:
            self._note("lost", f"chunks {lost}", acknowledged)
        job.complete_many((chunk.index, result_of(chunk.index)) for chunk in job.pending())
        problems = store.check()
        if problems or [index for index, _ in job.items()] != list(range(self.total)):
            self._note("wrong", problems or "going on does not end with every chunk", acknowledged)


def _judged(states: Iterable[State], folder: Path) -> _Verdicts:
    found = _Verdicts(folder, TOTAL)
    for state, acknowledged in states:
        found.judge(state, acknowledged)
    return found


def _assert_nothing_lost(found: _Verdicts) -> None:
    bad = {name: count for name, count in found.count.items() if name not in ("states", "alarmed")}
    assert bad == {}, found.examples


@pytest.fixture(params=["wal", "truncate"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The WAL, and the rollback journal that is used on network file systems."""
    if request.param != "wal":
        monkeypatch.setattr(pragmas, "file_system", lambda _path: "nfs")
    return str(request.param)


SOME = 25
"""The number of points of the run in the short form."""
SAMPLES = 4
"""The number of random contents at each point of the run in the long form."""


def _run_both(shim: Path, folder: Path, journal: str) -> tuple[list[Record], list[Record]]:
    """Run as it is by default, and as a careless one: neither each commit nor the state file is synced."""
    ours = _run(shim, folder / "ours", journal=journal)
    return ours, _run(shim, folder / "control", journal=journal, durability="process", careless_files=True)


def _counts(found: _Verdicts) -> dict[str, int]:
    return {name: found.count[name] for name in ("states", "lost", "alarmed")}


def _figures(ours: _Verdicts, control: _Verdicts) -> dict[str, object]:
    names = ("states", "lost", "wrong", "refused", "alarmed", "unreadable_state_file")
    counts: dict[str, object] = {name: ours.count[name] for name in names}
    return counts | {f"control_{name}": control.count[name] for name in ("states", "lost", "unreadable_state_file")}


def _assert_control_loses(control: _Verdicts) -> None:
    assert control.count["lost"] > 0, "synchronous=NORMAL has to lose something, or this test sees nothing"
    assert control.count["unreadable_state_file"] > 0, "so has a state file that is not synced"


@pytest.mark.slow
def test_no_power_cut_takes_an_acknowledged_chunk(
    shim: Path, fast_folder: Path, journal: str, figures: Figures
) -> None:
    """Whatever of its unsynced writes a power cut leaves, what was acknowledged is there, and exact."""
    records, careless = _run_both(shim, fast_folder, journal)
    ours = _judged(_states(records, SAMPLES, most=SOME), fast_folder)
    control = _judged(_worst(careless), fast_folder)
    figures(f"power-loss ({journal})", **_figures(ours, control))
    _assert_nothing_lost(ours)
    _assert_control_loses(control)


@pytest.mark.storm
@pytest.mark.timeout(7200)
def test_no_power_cut_takes_an_acknowledged_chunk_at_any_moment(
    shim: Path, fast_folder: Path, journal: str, figures: Figures
) -> None:
    """A power cut at any call of the run takes no acknowledged chunk, whichever unsynced writes it leaves."""
    records, careless = _run_both(shim, fast_folder, journal)
    ours = _judged(_states(records, SAMPLES), fast_folder)
    control = _judged(_states(careless, SAMPLES, most=400), fast_folder)
    figures(f"power-loss ({journal}), every call", **_figures(ours, control))
    _assert_nothing_lost(ours)
    _assert_control_loses(control)


@pytest.mark.slow
def test_no_power_cut_takes_what_either_of_two_processes_acknowledged(
    shim: Path, fast_folder: Path, journal: str, figures: Figures
) -> None:
    """With two processes on one store, the acknowledged chunks of each survive a power cut while either checkpoints."""
    records = _run(shim, fast_folder / "two", processes=2, journal=journal)
    found = _judged(_states(records, SAMPLES, most=SOME), fast_folder)
    figures(f"power-loss, 2 processes ({journal})", **_counts(found))
    _assert_nothing_lost(found)


@pytest.mark.storm
@pytest.mark.timeout(7200)
def test_no_power_cut_at_any_moment_takes_what_either_of_two_processes_acknowledged(
    shim: Path, fast_folder: Path, journal: str, figures: Figures
) -> None:
    """A power cut at any call of two processes takes no chunk that either acknowledged."""
    records = _run(shim, fast_folder / "two", processes=2, journal=journal)
    found = _judged(_states(records, SAMPLES), fast_folder)
    figures(f"power-loss, 2 processes ({journal}), every call", **_counts(found))
    _assert_nothing_lost(found)
