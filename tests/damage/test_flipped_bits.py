"""Whatever the bytes of a store file: an open, a read and a command work, or end in an error of the library's own."""

from __future__ import annotations

import contextlib
import random
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, CheckpointStoreError, StoreRecovered
from tests.cli.conftest import Folder

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
COMMANDS = [
    words.split()
    for words in (
        "list",
        "list --json",
        "show talk.srt",
        "show --json",
        "chunks talk.srt",
        "errors lecture.srt --json",
        "results talk.srt",
        "results lecture.srt --json",
        "export talk.srt state.json",
        "report --all -o page.html",
        "datasette-metadata",
        "path",
        "check",
        "doctor --json",
        "migrate --check",
        "migrate --to 1.4",
        "prune --older-than 0 --yes",
        "pause lecture.srt",
        "retry lecture.srt",
        "redo talk.srt --chunks 3-7",
        "release lecture.srt --runner 1",
        "resume lecture.srt",
        "delete talk.srt --yes",
        "backup copy.db",
        "recover",
        "recover --accept-loss --json",
        "restore sound.db",
        "merge sound.db --json",
        "merge talks.db --store sound.db",
        "restore talks.db --store sound.db",
    )
]
EXIT_CODES = {0, 1, 2, 75}
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


def _flip_and(use: Callable[[Path, random.Random], None], sound: Path, folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    _with_flips(sound, folder, dice)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(folder, dice)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise


def _open_and_read(folder: Path, dice: random.Random) -> None:
    _read_everything(folder / "talks.db", read_only=dice.random() < 0.5)


def _command(folder: Path, dice: random.Random) -> None:
    """Run a command on the store; an exception that comes out of it is a traceback on somebody's screen."""
    words = dice.choice(COMMANDS)
    shutil.copyfile(folder.parent / "of_the_same.db", folder / "sound.db")
    done = Folder(folder).try_to_run(*words, **({} if "--store" in words else {"CHECKPOINT_STORE": "talks.db"}))
    assert done.code in EXIT_CODES, (words, done)
    assert "Traceback" not in done.stdout + done.stderr, (words, done)


USES = pytest.mark.parametrize("use", [_open_and_read, _command])


@pytest.mark.slow_variants
@USES
@pytest.mark.parametrize(("seed", "count"), [(0, 8), (8, 32), (1725, 20)])
def test_flipped_bits_raise_nothing_but_the_librarys_own_errors(
    sound: Path, tmp_path: Path, use: Callable[[Path, random.Random], None], seed: int, count: int
) -> None:
    """Some stores at a time with flipped bits in their first pages: no UnicodeDecodeError, no traceback."""
    shutil.copyfile(sound / "talks.db", tmp_path / "of_the_same.db")
    for one in range(seed, seed + count):
        _flip_and(use, sound, tmp_path / "flipped", one)


@USES
@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_five_thousand_flips_raise_nothing_but_the_librarys_own_errors(
    sound: Path, tmp_path: Path, use: Callable[[Path, random.Random], None]
) -> None:
    """Five thousand flipped bits raise nothing but the library's own errors."""
    shutil.copyfile(sound / "talks.db", tmp_path / "of_the_same.db")
    for seed in range(1000, 6000):
        _flip_and(use, sound, tmp_path / "flipped", seed)


NAMES = {b"completed_count INTEGER": (b"comple\xf4ed_count INTEGER", b"compleTed_count INTEGER"),
         b"video_title TEXT": (b"vide\xef_title TEXT", b"video_tiTle TEXT")}  # fmt: skip


def _with_name(sound: Path, folder: Path, old: bytes, new: bytes) -> Path:
    content = (sound / "talks.db").read_bytes()
    assert old in content
    (folder / "talks.db").write_bytes(content.replace(old, new))
    return folder / "talks.db"


@pytest.mark.slow_variants
@pytest.mark.parametrize("new", NAMES[b"video_title TEXT"])
def test_a_damaged_name_in_the_schema_is_damage(sound: Path, tmp_path: Path, new: bytes) -> None:
    """A letter of a column's name that is damaged, or no UTF-8 any more, is damage, and comes back without a copy."""
    path = _with_name(sound, tmp_path, b"video_title TEXT", new)
    with pytest.raises(CheckpointStoreError, match="damaged"):
        CheckpointStore(path, read_only=True).close()
    with pytest.warns(StoreRecovered, match="20 chunks back"):
        CheckpointStore(path).close()


@pytest.mark.slow
@pytest.mark.parametrize("old", [b"lock_file TEXT", b"outcome TEXT", b"completed_at TEXT"])
@pytest.mark.parametrize("words", ["restore talks.db --store sound.db", "merge talks.db --store sound.db"])
def test_a_capital_in_the_schema_of_another_store_is_no_traceback(
    sound: Path, tmp_path: Path, old: bytes, words: str
) -> None:
    """SQLite finds a column whose name has a capital by one damaged bit: a copy of that kind is taken, or refused."""
    path = _with_name(sound, tmp_path, old, old[:1].upper() + old[1:])
    shutil.copyfile(sound / "talks.db", tmp_path / "sound.db")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Folder(path.parent).try_to_run(*words.split()).code in EXIT_CODES


@pytest.mark.slow_variants
@pytest.mark.parametrize("new", NAMES[b"completed_count INTEGER"])
def test_a_damaged_name_of_what_the_chunks_tell_is_mended(sound: Path, tmp_path: Path, new: bytes) -> None:
    """Where nothing that was given by somebody stood in the column, opening the store makes it anew without a copy."""
    path = _with_name(sound, tmp_path, b"completed_count INTEGER", new)
    with pytest.raises(CheckpointStoreError, match="damaged"):
        CheckpointStore(path, read_only=True).close()
    with pytest.warns(StoreRecovered, match="20 chunks back"):
        CheckpointStore(path).close()
    with CheckpointStore(path) as store:
        assert store.check() == []
        assert store.job("talk.srt").progress().completed_chunks == 20
