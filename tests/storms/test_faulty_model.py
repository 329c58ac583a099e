"""A store under faults, compared with a dict after each step."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TESTS, program
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunksPassedOver,
    StoreRecovered,
)
from checkpoint_store.maintenance import recover_store

TOTAL = 12
INDICES = st.integers(0, TOTAL - 1)
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=40), st.lists(st.booleans(), max_size=4))
counted = {"steps": 0, "machines": 0}

# A warm process that forks for each request: the fork does it and is killed, before, in the middle of or after its
# commit; or it fills the room that a file-size limit leaves, and goes on when the limit is gone.
SERVER = program(__file__, "fault_server")


class FaultyStore(RuleBasedStateMachine):
    """A store with one job; ``model`` is what it must hold."""

    server: subprocess.Popen[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.path = self.folder / "talks.db"
        self.model: dict[int, Any] = {}
        self.tries: dict[int, int] = {}
        """How often a chunk failed, since its tries were given back."""
        self.store: CheckpointStore | None = None
        self.is_damaged = False
        counted["machines"] += 1

    @initialize()
    def begin(self) -> None:
        """Open a new store with one job."""
        self._open().open_job("talk.srt", total_chunks=TOTAL, config={"chunk_size": 2000})

    def _open(self) -> CheckpointStore:
        if self.store is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StoreRecovered)
                self.store = CheckpointStore(self.path)
        return self.store

    def _close(self) -> None:
        store, self.store = self.store, None
        if store is not None:
            store.close()

    def _ask(self, *request: Any) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(json.loads(self.server.stdout.readline()))

    @rule(index=INDICES, value=VALUES)
    def complete(self, index: int, value: Any) -> None:
        """Complete a chunk, which refuses another result."""
        job = self._open().jobs()[0]
        try:
            job.complete(index, value)
        except ChunkAlreadyCompleted:
            assert not _same(self.model[index], value)
        else:
            self.model[index] = value

    @rule(index=INDICES, value=VALUES)
    def replace(self, index: int, value: Any) -> None:
        """Put another result in the place of one."""
        self._open().jobs()[0].complete(index, value, replace=True)
        self.model[index] = value

    @rule(number=st.integers(1, 4), fails=st.booleans())
    def claim(self, number: int, fails: bool) -> None:
        """Chunks that are left are claimed, the lowest first; each is completed, and the last one may fail."""
        job = self._open().jobs()[0]
        passed_over = {record.chunk_index for record in job.failed_chunks()}
        left = [index for index in range(TOTAL) if index not in self.model and index not in passed_over]
        given = []
        for chunk in job.pending():
            given.append(chunk.index)
            if fails and len(given) == number:
                chunk.fail("not this time")
                self.tries[chunk.index] = self.tries.get(chunk.index, 0) + 1
            else:
                chunk.complete(chunk.index)
                self.model[chunk.index] = chunk.index
            if len(given) == number:
                break
        assert given == left[:number]
        assert {record.chunk_index for record in job.failed_chunks()} == self._failed()

    def _failed(self) -> set[int]:
        return {index for index, tries in self.tries.items() if tries >= 3 and index not in self.model}

    @rule()
    def retry(self) -> None:
        """Failed chunks get their tries back."""
        job = self._open().jobs()[0]
        assert job.retry_failed() == len(self._failed())
        for index in self._failed():
            self.tries[index] = 0

    @rule()
    def map(self) -> None:
        """A loop in two threads does all that is left, and nothing else."""
        job = self._open().jobs()[0]
        asked = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChunksPassedOver)
            for item in job.map(lambda index: asked.append(index) or [index], workers=2, on_error="record"):
                self.model[item.index] = [item.index]
        assert not set(asked) & self._failed()
        assert set(self.model) | self._failed() == set(range(TOTAL))

    @rule(index=INDICES, value=VALUES, moment=st.one_of(st.sampled_from(["before", "after"]), st.floats(0, 0.01)))
    def kill(self, index: int, value: Any, moment: str | float) -> None:
        """Another process completes a chunk and is killed; only what it was told before that is certain."""
        assert self._ask("killed", str(self.path), index, value, moment) == 9
        found = dict(self._open().jobs()[0].items())
        old = [self.model[index]] if index in self.model else []
        if moment == "before":
            return
        if moment == "after":
            self.model[index] = value
        elif index in found:
            assert any(_same(found[index], one) for one in (*old, value))
            self.model[index] = found[index]
        else:
            assert not old

    @rule(index=INDICES, value=VALUES)
    def fill_the_disk(self, index: int, value: Any) -> None:
        """A completion that there is no room for is refused, and the same object goes on when there is."""
        assert self._ask("full", str(self.path), index, value) == 0
        self.model[index] = value

    @rule()
    def reopen(self) -> None:
        """Close and open."""
        self._close()
        self._open()

    @rule(seed=st.integers(0, 2**32), kind=st.sampled_from(["bit", "page", "cut", "gone", "empty"]))
    def damage(self, seed: int, kind: str) -> None:
        """Damage the file while a backup of it is there; it comes back by itself, or at a read."""
        store = self._open()
        store.jobs()[0].export()
        for old in self.folder.glob("*.backup-*"):
            old.unlink()
        store.backup(self.folder / "copy.db").rename(self.folder / "talks.db.backup-1.0-0007")
        self._close()
        _damage(self.path, kind, random.Random(seed))
        self.is_damaged = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StoreRecovered)
                dict(self._open().jobs()[0].items())
        except (CheckpointStoreError, IndexError):
            self._close()
            recover_store(self.path)

    @invariant()
    def holds_what_was_acknowledged(self) -> None:
        """Each acknowledged result is there, and nothing else."""
        counted["steps"] += 1
        if self.store is None:
            return
        (job,) = self.store.jobs()
        found = dict(job.items())
        assert found.keys() == self.model.keys()
        assert all(_same(found[index], value) for index, value in self.model.items())
        assert job.progress().completed_chunks == len(self.model)

    def teardown(self) -> None:
        """Check everything once more, and clean up. A recovery mends damage in what no read has looked at yet."""
        if self.store is not None and self.store.check() != []:
            assert self.is_damaged
            self._close()
            recover_store(self.path)
            assert self._open().check() == []
            self.holds_what_was_acknowledged()
        self._close()
        shutil.rmtree(self.folder)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)


def _damage(path: Path, kind: str, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content))
    if kind == "bit":
        content[at] ^= 1 << dice.randrange(8)
    elif kind == "page":
        content[at // 8192 * 8192 : at // 8192 * 8192 + 8192] = dice.choice((bytes(8192), dice.randbytes(8192)))
    path.unlink() if kind == "gone" else path.write_bytes({"cut": content[:at], "empty": b""}.get(kind, content))


def _run(tmp_path: Path, machines: int, steps: int, *, rounds: int = 1, seconds: float = 3600) -> None:
    until = time.monotonic() + seconds
    with subprocess.Popen(
        [sys.executable, "-W", "error", SERVER], cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        FaultyStore.server = server
        for _ in range(rounds):
            run_state_machine_as_test(
                FaultyStore,
                settings=settings(
                    max_examples=machines, stateful_step_count=steps, deadline=None, database=None, print_blob=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
            print(f"FIGURES model: machines={counted['machines']} steps={counted['steps']} violations=0", flush=True)
            if time.monotonic() > until:
                break
        server.kill()


@pytest.mark.slow
def test_under_faults_a_store_equals_a_dict(tmp_path: Path) -> None:
    """Through kills, damage, full disks and reopening, a store holds exactly what was acknowledged."""
    _run(tmp_path, 5, 10)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_under_many_faults_a_store_equals_a_dict(tmp_path: Path) -> None:
    """Through random faults for a quarter of an hour, a store holds exactly what was acknowledged."""
    _run(tmp_path, 5, 40, rounds=40, seconds=900)
