"""Stores that are damaged in every way there is, and what became of them."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import program

import checkpoint_store
from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ChunkNotCompleted,
    JobNotFound,
    StoreDamaged,
    StoreRecovered,
    StoreTargetError,
)
from checkpoint_store.maintenance import recover_store

if TYPE_CHECKING:
    from checkpoint_store.storage.recovery.recover import RecoveryReport

ROOT = Path(checkpoint_store.__file__).parent.parent
PAGE = 8192
FIRST, SECOND = 24, 30
"""How many chunks the two jobs have; the second one is in the middle."""

# Makes a store and copies of its folder at several moments, each as a kill would leave it. The truth goes to stdout.
_MAKE = program(__file__, "make_yard")


@dataclass(frozen=True)
class Yard:
    """Folders that hold a store at several moments, and what was stored by the last one."""

    folder: Path
    truth: dict[str, dict[int, Any]]
    earlier: dict[str, dict[int, Any]]
    """Results that were replaced later."""
    second: str


def make_yard(folder: Path, seed: int) -> Yard:
    """Make a store in a process of its own, with copies of its folder from several moments."""
    folder.mkdir()
    made = subprocess.run(
        [sys.executable, "-W", "error", _MAKE, str(seed)],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    truth, earlier = (
        {job: {int(index): result for index, result in chunks.items()} for job, chunks in told[name].items()}
        for name in ("truth", "earlier")
    )
    return Yard(folder, truth, earlier, told["second"])


# -- the damage


def flip_bits(path: Path, dice: random.Random) -> None:
    """Flip one to eight bits anywhere in the file."""
    content = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 1, 2, 8))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def overwrite_pages(path: Path, dice: random.Random) -> None:
    """Put zeros, noise or another page in the place of one to three pages."""
    content = bytearray(path.read_bytes())
    pages = max(len(content) // PAGE, 1)
    for _ in range(dice.choice((1, 1, 3))):
        at, other = dice.randrange(pages) * PAGE, dice.randrange(pages) * PAGE
        page = dice.choice((bytes(PAGE), dice.randbytes(PAGE), bytes(content[other : other + PAGE])))
        content[at : at + PAGE] = page
    path.write_bytes(content)


def truncate(path: Path, dice: random.Random) -> None:
    """Cut the file off, at a page or anywhere."""
    size = path.stat().st_size
    left = dice.randrange(size)
    os.truncate(path, left - left % PAGE if dice.random() < 0.5 else left)


def empty(path: Path, dice: random.Random) -> None:
    """Leave nothing in the file."""
    os.truncate(path, 0)


def remove(path: Path, dice: random.Random) -> None:
    """Remove the store file, and perhaps its WAL."""
    path.unlink()
    if dice.random() < 0.5:
        Path(f"{path}-wal").unlink(missing_ok=True)


def add_old_log(path: Path, dice: random.Random, yard: Yard) -> None:
    """Put a WAL of an earlier time of this store, or of another store, beside it."""
    source = yard.folder / dice.choice(("early", "middle", "stranger")) / "talks.db-wal"
    shutil.copyfile(source, f"{path}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)


def add_old_journal(path: Path, dice: random.Random, yard: Yard) -> None:
    """Put a rollback journal that holds pages of an earlier time beside the store."""
    early = (yard.folder / dice.choice(("early", "middle")) / "talks.db").read_bytes()
    pages = len(early) // PAGE
    nonce = dice.randrange(1 << 32)
    head = bytes.fromhex("d9d505f920a163d7") + b"".join(
        number.to_bytes(4, "big") for number in (pages, nonce, pages, 512, PAGE)
    )
    body = b""
    for number in range(pages):
        page = early[number * PAGE : (number + 1) * PAGE]
        total = (nonce + sum(page[at] for at in range(PAGE - 200, 0, -200))) & 0xFFFFFFFF
        body += (number + 1).to_bytes(4, "big") + page + total.to_bytes(4, "big")
    Path(f"{path}-journal").write_bytes(head.ljust(512, b"\0") + body)


def damage_log(path: Path, dice: random.Random) -> None:
    """Flip bits in the WAL of a killed run, cut it off, or remove it."""
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        dice.choice((flip_bits, truncate, lambda where, _: where.unlink()))(log, dice)


def wreck(yard: Yard, folder: Path, seed: int) -> str:
    """Fill ``folder`` with a store that is damaged as ``seed`` says, and return in words how."""
    dice = random.Random(seed)
    moment = dice.choice(("closed", "closed", "killed"))
    shutil.copytree(yard.folder / moment, folder)
    path, state = folder / "talks.db", folder / "talks.json"
    ways = ("flip_bits", "flip_bits", "overwrite_pages", "overwrite_pages", "truncate", "empty", "remove",
            "add_old_log", "add_old_journal", "damage_log")  # fmt: skip
    way = ways[seed % len(ways)]
    if way == "damage_log" and moment == "closed":
        moment, way = "closed", "flip_bits"
    act = globals()[way]
    if way in ("add_old_log", "add_old_journal"):
        act(path, dice, yard)
    else:
        act(path, dice)
    words = [moment, way]
    if dice.random() < 0.4:
        for backup in folder.glob("talks.db.backup-*"):
            backup.unlink()
        words.append("no backups")
    chance = dice.random()
    if chance < 0.25:
        state.unlink()
        state.with_suffix(".bak").unlink()
        words.append("no state file")
    elif chance < 0.5:
        dice.choice((flip_bits, truncate))(state, dice)
        words.append("state file damaged")
    return ", ".join(words)


# -- what became of it


@dataclass
class Outcome:
    """What a user met with one damaged store, and what was left in the end."""

    how: str
    detected: bool = False
    by: list[str] = field(default_factory=list)
    recovered: int = 0
    stored: int = 0
    silent_wrong: list[str] = field(default_factory=list)
    older: int = 0
    """Results that were replaced later, while no sound copy that is left has the newer one."""
    announced_wrong: int = 0
    """Results that differ, of which the report said that no digest of them survived."""
    silent_lost: int = 0
    """Chunks that are not complete any more, with neither a warning nor an error."""
    unreported_lost: int = 0
    """Chunks that are not complete any more after a recovery that did not count them: no copy knew of them."""
    lost_though_known: int = 0
    """Chunks that are not complete after a recovery by itself, though a sound backup or state file had them."""


class Look:
    """Opens a damaged store as a program would, accepts the loss where it must, and compares all with the truth."""

    def __init__(self, yard: Yard, folder: Path, how: str) -> None:
        self._truth, self._earlier, self._second = yard.truth, yard.earlier, yard.second
        self._path = folder / "talks.db"
        self._folder = folder
        self.outcome = Outcome(how, stored=sum(map(len, yard.truth.values())))
        self._newest_known = False
        """Whether a sound copy beside the store has the result that replaced another one."""
        self._known = self._known_elsewhere()
        self._unverified: set[str] = set()
        self._accepted = False
        self._moved = False

    def run(self) -> Outcome:
        """Look at it, and go on with the job."""
        # With a log beside it, a sound open takes that in, and the file changes rightly.
        alone = not any(Path(f"{self._path}{end}").exists() for end in ("-wal", "-journal"))
        first = self._path.read_bytes() if alone and self._path.exists() else None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._open_and_read()
        if any(issubclass(warning.category, StoreRecovered) for warning in caught):
            self._notice("StoreRecovered")
            # A state file that was ahead was taken in, and the warning names it: it has no digests.
            said = " ".join(str(warning.message) for warning in caught if "taken in" in str(warning.message))
            self._unverified |= {job_id for job_id in self._truth if job_id in said}
        self._compare()
        healed = any("put back" in str(warning.message) for warning in caught)  # which changes the file, rightly
        if self._moved and not healed:
            kept = [path.read_bytes() for path in self._folder.glob("talks.db.corrupt-*")]
            assert first is None or first in kept, "the damaged file was not kept"
        return self.outcome

    def _known_elsewhere(self) -> dict[str, set[int]]:
        """Return what sound copies beside the store know, read before anything is opened."""
        known: dict[str, set[int]] = {job: set() for job in self._truth}
        for name in ("talks.json", "talks.bak"):
            try:
                state = json.loads((self._folder / name).read_text("utf-8"))
                known.setdefault(state["job_id"], set()).update(state["completed_chunks"])
                self._newest_known |= any(result["take"] == 2 for result in state["processed_results"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        for backup in self._folder.glob("talks.db.backup-*"):
            with CheckpointStore(backup, state_file=None, read_only=True) as store:
                for job in store.jobs():
                    known[job.job_id].update(index for index, _ in job.items())
        return known

    def _notice(self, what: str) -> None:
        self.outcome.detected = True
        self.outcome.by.append(what)

    def _open_and_read(self) -> None:
        try:
            with CheckpointStore(self._path) as store:
                self._remember(store)
                self._read_all(store)
        except CheckpointStoreError as error:
            self._notice(type(error).__name__)
            self._repair(error)

    def _remember(self, store: CheckpointStore) -> None:
        if store.recovery is not None:
            self._take(store.recovery)

    def _take(self, report: RecoveryReport) -> None:
        self._moved = True
        self._unverified |= {job.job_id for job in report.jobs if job.unverified_chunks}

    def _repair(self, error: CheckpointStoreError) -> None:
        """Do what the messages say: recover, and accept the loss where there is one."""
        try:
            report = recover_store(self._path)
        except StoreDamaged as damaged:
            if "accept_loss=True" not in str(damaged):
                raise
            self._accepted = True
            report = recover_store(self._path, accept_loss=True)
        except StoreTargetError as stranger:  # nothing says that the file was a store, and nothing is known elsewhere
            if "if it was a store, move it away first" not in str(stranger) or any(self._known.values()):
                raise
            os.replace(self._path, f"{self._path}.corrupt-by-hand")
            self._accepted = self._moved = True
            return
        except CheckpointStoreError:
            self._set_state_aside()
            self._accepted = True
            report = recover_store(self._path, accept_loss=True)
        self._take(report)

    def _set_state_aside(self) -> None:
        """A state file that holds something else now: the message says to choose another path, or none."""
        for name in ("talks.json", "talks.bak"):
            if (self._folder / name).exists():
                os.replace(self._folder / name, self._folder / f"{name}.aside")

    def _read_all(self, store: CheckpointStore) -> None:
        for job_id in self._truth:
            try:
                job = store.job(job_id)
            except JobNotFound:
                continue
            list(job.items())
            job.state()
            for index in range(job.total_chunks):
                try:
                    job.result(index)
                except ChunkNotCompleted:
                    continue

    def _compare(self) -> None:
        """Compare what is left with the truth, chunk by chunk, and end the second job."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = CheckpointStore(self._path)
        with store:
            for job_id, truth in self._truth.items():
                self._compare_job(store, job_id, truth)
            if store.check():  # in a page that no result and no job is on
                self._notice("check()")
            self._go_on(store)

    def _compare_job(self, store: CheckpointStore, job_id: str, truth: dict[int, Any]) -> None:
        outcome = self.outcome
        try:
            found = dict(store.job(job_id).items())
        except JobNotFound:
            found = {}
        for index, result in found.items():
            if result == truth.get(index):
                outcome.recovered += 1
            elif not self._newest_known and result == self._earlier.get(job_id, {}).get(index):
                outcome.older += 1
            elif job_id in self._unverified:
                outcome.announced_wrong += 1
            else:
                outcome.silent_wrong.append(f"{outcome.how}: {job_id}[{index}]")
        lost = truth.keys() - found.keys()
        if not outcome.detected:
            outcome.silent_lost += len(lost)
        elif not self._accepted:
            outcome.unreported_lost += len(lost)
        if not self._accepted:
            outcome.lost_though_known += len(lost & self._known[job_id])

    def _go_on(self, store: CheckpointStore) -> None:
        try:
            job = store.job(self._second)
        except JobNotFound:
            # The log of another store brings that store's job of this file, where this store had all in its own log.
            job = store.open_job("second.srt", total_chunks=SECOND, on_change="restart")
        for chunk in job.pending():
            chunk.complete({"again": chunk.index})
        job.finish()
        assert len(list(job.results(missing="skip"))) == job.total_chunks or self.outcome.detected


def figures(outcomes: list[Outcome]) -> str:
    """Return the line for the page on reliability."""
    harmed = [one for one in outcomes if one.detected or one.silent_lost or one.silent_wrong]
    detected = [one for one in outcomes if one.detected]
    stored = sum(one.stored for one in harmed)
    back = sum(one.recovered for one in harmed)
    by = Counter(one.by[0] for one in detected)
    return (
        f"FIGURES damage: files={len(outcomes)} harmless={len(outcomes) - len(harmed)} harmed={len(harmed)} "
        f"detected={len(detected)} ({100 * len(detected) / max(len(harmed), 1):.1f}%) "
        f"results={stored} recovered={back} ({100 * back / max(stored, 1):.1f}%) "
        f"silent_wrong={sum(len(one.silent_wrong) for one in outcomes)} "
        f"older_known_to_no_copy={sum(one.older for one in outcomes)} "
        f"announced_unverified_wrong={sum(one.announced_wrong for one in outcomes)} "
        f"silent_lost_known_to_no_copy={sum(one.silent_lost for one in outcomes)} "
        f"announced_lost_known_to_no_copy={sum(one.unreported_lost for one in outcomes)} "
        f"lost_though_known={sum(one.lost_though_known for one in outcomes)} "
        f"by={dict(by.most_common())}"
    )
