"""A feed grows, is edited and taken back, under kills and two processes: nothing that is stored is paid for again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Children, program
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from fork_server import ForkServer

RUNNER = program(__file__, "feed_runner")
counted: Counter[str] = Counter()
Chunk = tuple[str, ...]
"""What a result was made from: a text alone, or in a sequential job all texts up to it."""


class Feed(RuleBasedStateMachine):
    """What the store held before a run, read past the library, says what the run may pay for."""

    sequential = False
    fork_server: Callable[[], ForkServer]
    extends = True
    """False in the control: there ``restart`` stands for a version that does not let a job grow."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="feed-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        self.texts = ["text 0", "text 1"]
        self.count = 2
        self.before: list[list[str]] = []
        self.logged = 0
        counted["machines"] += 1

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # -- what happens to the feed

    def _new(self) -> str:
        self.count += 1
        return f"text {self.count}"

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.before.append(self.texts)
        self.texts = [*self.texts, *(self._new() for _ in range(count))]

    @rule(at=st.integers(0, 9))
    def edit(self, at: int) -> None:
        self.before.append(self.texts)
        self.texts = [self._new() if index == at else text for index, text in enumerate(self.texts)]

    @rule(at=st.integers(1, 9))
    def cut_off(self, at: int) -> None:
        self.before.append(self.texts)
        self.texts = self.texts[:at]

    @rule(back=st.integers(1, 4))
    def take_back(self, back: int) -> None:
        """What the feed was some changes ago."""
        if self.before:
            self.before.append(self.texts)
            self.texts = self.before[-min(back + 1, len(self.before)) :][0]

    # -- what is run

    @rule(kill_at=st.integers(0, 4), appends=st.integers(0, 2))
    def run(self, kill_at: int, appends: int) -> None:
        self._batch([(kill_at, appends)])

    @rule(kills=st.tuples(st.integers(0, 4), st.integers(0, 4)), appends=st.tuples(*[st.integers(0, 2)] * 2))
    def run_two(self, kills: tuple[int, int], appends: tuple[int, int]) -> None:
        self._batch(list(zip(kills, appends, strict=True)))

    def _batch(self, runs: list[tuple[int, int]]) -> None:
        (self.folder / "feed.json").write_text(json.dumps(self.texts))
        stored = self._stored()
        children = Children(self.folder, self.fork_server)
        try:
            processes = [
                children.start(RUNNER, number, *run, *map(int, self._kind())) for number, run in enumerate(runs)
            ]
            errors = [process.communicate(timeout=120)[1] for process in processes]
        finally:
            children.end_all()
        killed = {number for number, process in enumerate(processes) if process.returncode == -signal.SIGKILL}
        assert {process.returncode for process in processes} <= {0, -signal.SIGKILL}, "".join(errors)
        self._check_paid(stored, killed)
        grown = json.loads((self.folder / "feed.json").read_text())
        if grown != self.texts:
            self.before.append(self.texts)
            self.texts = grown
        counted["runs"] += len(runs)
        counted["kills"] += len(killed)
        if not killed:
            with CheckpointStore(self.folder / "talks.db", read_only=True) as store:
                job = store.job("feed")
                assert [result["text"] for result in job.results()] == self.texts
                assert list(job.keys().values()) == [text.upper() for text in self.texts]

    def _kind(self) -> tuple[bool, bool]:
        return self.sequential, self.extends

    def _check_paid(self, stored: set[Chunk], killed: set[int]) -> None:
        """What was stored before is not paid for; anything else once, and once more for each kill in the middle."""
        path = self.folder / "paid.log"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        new, self.logged = lines[self.logged :], len(lines)
        paid = Counter[Chunk]()
        in_hand = dict[int, Chunk]()
        for number, before, text in new:
            chunk = (*before, text) if self.sequential else (text,)
            paid[chunk] += 1
            in_hand[number] = chunk
        counted["paid"] += paid.total()
        assert not stored & set(paid), stored & set(paid)
        allowed = Counter(chunk for number, chunk in in_hand.items() if number in killed)
        assert all(count <= 1 + allowed[chunk] for chunk, count in paid.items()), (paid, allowed)

    def _rows(self) -> list[Any]:
        if not (self.folder / "talks.db").exists():
            return []
        with closing(sqlite3.connect(self.folder / "talks.db")) as raw:
            return raw.execute(
                "SELECT j.job_number, c.chunk_index, r.result FROM completed_chunks c JOIN jobs j USING (job_id) "
                "JOIN chunk_results r USING (result_id) ORDER BY 1, 2"
            ).fetchall()

    def _stored(self) -> set[Chunk]:
        found, so_far = set[Chunk](), dict[int, Chunk]()
        for job, _, result in self._rows():
            text = json.loads(result)["text"]
            chunk = so_far[job] = (*so_far.get(job, ()), text) if self.sequential else (text,)
            found.add(chunk)
        return found

    # -- what holds after each of them

    @invariant()
    def each_result_stands_at_its_chunk_and_after_the_right_one(self) -> None:
        last = dict[int, Any]()
        for job, index, text in self._rows():
            result = json.loads(text)
            if self.sequential:
                assert result["after"] == last.get(job)
                assert index == 0 or job in last
            last[job] = result["text"]

    @invariant()
    def the_store_is_sound(self) -> None:
        if (self.folder / "talks.db").exists():
            with CheckpointStore(self.folder / "talks.db", read_only=True) as store:
                assert store.check() == []


class SequentialFeed(Feed):
    sequential = True


@pytest.fixture(autouse=True)
def runs_are_forks(fork_server: Callable[[], ForkServer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of a feed be forks of the process that has imported the package."""
    monkeypatch.setattr(Feed, "fork_server", staticmethod(fork_server), raising=False)


def storm(machine: type[Feed], machines: int, steps: int) -> None:
    counted.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=machines,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # no two runs under kills are alike: a search for a shorter one is in vain
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(counted))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Feed, SequentialFeed])
def test_a_growing_feed_is_paid_for_once(machine: type[Feed]) -> None:
    """Each chunk of a feed that grows under kills is paid for once, over a few feeds."""
    storm(machine, 3, 12)


@pytest.mark.storm
@pytest.mark.timeout(6000)
@pytest.mark.parametrize("machine", [Feed, SequentialFeed])
def test_a_growing_feed_is_paid_for_once_long(machine: type[Feed]) -> None:
    """Each chunk of a feed that grows under kills is paid for once, over many feeds."""
    kills = 0
    for _ in range(4):  # how many kills a storm has is chance
        storm(machine, 30, 25)
        kills += counted["kills"]
        if kills > 50:
            return
    pytest.fail(f"{kills} kills are too few for a storm")


@pytest.mark.slow
def test_a_control_that_does_not_grow_pays_again() -> None:
    """A control: where a new job begins with each change, the storm sees chunks paid for twice."""

    class Naive(Feed):
        extends = False

    machine = Naive()
    try:
        machine.run(kill_at=0, appends=0)
        machine.append(count=2)
        with pytest.raises(AssertionError):
            machine.run(kill_at=0, appends=0)
    finally:
        machine.teardown()
