"""Whatever the bytes of a store file: an open or a read works, or raises an error of the library's own."""

from __future__ import annotations

import contextlib
import random
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST_PAGES_BYTES = 24 * 1024
"""The schema, and the pages of every table that is not results."""

OF_STORE: list[Callable[[CheckpointStore], Any]] = [
    CheckpointStore.check,
    CheckpointStore.info,
    CheckpointStore.incomplete_jobs,
    lambda store: store.plan("talk.srt", total_chunks=20, model="m"),
]
OF_JOB: list[Callable[[Any], Any]] = [
    lambda job: list(job.items()),
    lambda job: job.totals("cost"),
    lambda job: job.progress(),
    lambda job: job.state(),
    lambda job: job.errors(),
    lambda job: job.in_doubt_chunks(),
    lambda job: job.completed_ranges(),
    lambda job: job.plan(),
    repr,
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of two jobs, and its copies."""
    folder = tmp_path_factory.mktemp("sound")
    with CheckpointStore(folder / "talks.db") as store:
        first = store.open_job("talk.srt", total_chunks=20, model="m", config={"chunk_size": 2000})
        for chunk in first.pending():
            chunk.complete({"cleaned_text": f"{chunk.index} " + "x" * 900, "cost": 0.5})
        second = store.open_job("lecture.srt", total_chunks=20, model="m")
        second.fail_chunk(3, "no answer")
        second.complete_many((index, {"cleaned_text": "y" * 100, "cost": 0.5}) for index in range(10, 16))
        second.pause()
    return folder


def _with_flips(sound: Path, folder: Path, dice: random.Random) -> None:
    """Copy the store, with its copies or alone, and flip one to four bits of its first pages."""
    shutil.rmtree(folder, ignore_errors=True)
    if dice.random() < 0.5:
        shutil.copytree(sound, folder)
    else:
        folder.mkdir()
    content = bytearray((sound / "talks.db").read_bytes())
    for _ in range(dice.choice((1, 1, 2, 4))):
        content[dice.randrange(min(len(content), FIRST_PAGES_BYTES))] ^= 1 << dice.randrange(8)
    (folder / "talks.db").write_bytes(content)


def _read_everything(path: Path, *, read_only: bool) -> None:
    try:
        with CheckpointStore(path, read_only=read_only) as store:
            jobs = store.jobs()
            for read in OF_STORE:
                _read(read, store)
            for job in jobs:
                for of_job in OF_JOB:
                    _read(of_job, job)
    except CheckpointStoreError:
        pass


def _read(read: Callable[[Any], Any], subject: Any) -> None:
    with contextlib.suppress(CheckpointStoreError):
        read(subject)


def _flip_and_read(sound: Path, folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    _with_flips(sound, folder, dice)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _read_everything(folder / "talks.db", read_only=dice.random() < 0.5)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise


@pytest.mark.slow_variants
@pytest.mark.parametrize("seed", range(0, 160, 40))
def test_flipped_bits_raise_nothing_but_the_librarys_own_errors(sound: Path, tmp_path: Path, seed: int) -> None:
    """160 stores with flipped bits in their first pages: no UnicodeDecodeError, no TypeError, no KeyError."""
    for one in range(seed, seed + 40):
        _flip_and_read(sound, tmp_path / "flipped", one)


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_five_thousand_flips_raise_nothing_but_the_librarys_own_errors(sound: Path, tmp_path: Path) -> None:
    """The same with 5,000 stores."""
    for seed in range(1000, 6000):
        _flip_and_read(sound, tmp_path / "flipped", seed)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(("old", "new"), [(b"completed_count INTEGER", b"comple\xf4ed_count INTEGER"),
                                          (b"completed_count INTEGER", b"compleTed_count INTEGER")])  # fmt: skip
def test_a_damaged_name_in_the_schema_is_damage(
    sound: Path, tmp_path: Path, old: bytes, new: bytes, *, read_only: bool
) -> None:
    """A letter of a column's name that is damaged, or no UTF-8 any more, is StoreDamaged where no copy is there."""
    content = (sound / "talks.db").read_bytes()
    assert old in content
    (tmp_path / "talks.db").write_bytes(content.replace(old, new))
    with pytest.raises(CheckpointStoreError, match="damaged"):
        CheckpointStore(tmp_path / "talks.db", read_only=read_only).close()
