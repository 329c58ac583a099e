"""An export lets the other threads of its process go on."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreTargetError
from checkpoint_store.state_file import reader
from checkpoint_store.system import files
from checkpoint_store.system import threads as threads_module
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.threads import giving_turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNKS = 3000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    """A store with a job whose first 2,999 chunks are complete."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as made:
        job = made.open_job("talk.srt", total_chunks=CHUNKS)
        job.complete_many((index, {"text": "x" * 500}) for index in range(CHUNKS - 1))
        yield made


@pytest.fixture
def another_thread() -> Iterator[None]:
    """A thread that is alive."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the long work of this thread makes; each piece of the work takes long."""
    made: list[float] = []
    monkeypatch.setattr(threads_module, "_WORK_SECONDS", 0.0)
    monkeypatch.setattr(threads_module.time, "sleep", made.append)
    return made


@pytest.mark.usefixtures("another_thread")
def test_an_export_pauses_after_each_piece(store: CheckpointStore, tmp_path: Path, pauses: list[float]) -> None:
    """A piece has at most a hundred kilobytes, so that no other thread waits long."""
    path = store.jobs()[0].export(tmp_path / "export.json")
    assert len(pauses) >= path.stat().st_size / 100_000


@pytest.mark.parametrize("threads", [1, 2])
def test_nobody_waits_for_a_thread_that_is_not_there(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """A process with one thread writes without a pause."""
    monkeypatch.setattr(threads_module.threading, "active_count", lambda: threads)
    assert list(giving_turns("abc")) == ["a", "b", "c"]
    assert len(pauses) == (0 if threads == 1 else 3)


@pytest.mark.usefixtures("another_thread")
def test_small_pieces_make_no_pause_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand pieces of a few microseconds pause as often as a few long ones: the pauses take no longer than the work."""
    paused: list[float] = []
    clock = iter(range(10_000))
    monkeypatch.setattr(threads_module.time, "sleep", paused.append)
    monkeypatch.setattr(threads_module.time, "monotonic", lambda: next(clock) / 200_000)
    assert list(giving_turns(range(1000))) == list(range(1000))
    assert 20 <= len(paused) <= 30


@pytest.mark.slow
def test_an_older_export_is_replaced_without_its_results_being_read(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export reads the beginning of the file that it replaces, and not its results, so other threads go on."""
    (job,) = store.jobs()
    path = job.export(tmp_path / "export.json")
    monkeypatch.setattr(reader, "read_state", lambda path: pytest.fail(f"{path} was read whole"))
    job.complete(CHUNKS - 1, "the last one")
    job.export(path)
    assert len(json.loads(path.read_text("utf-8"))["processed_results"]) == CHUNKS


@pytest.mark.slow
def test_an_export_that_was_cut_off_is_not_replaced_unasked(store: CheckpointStore, tmp_path: Path) -> None:
    """Nobody knows what the rest of it was."""
    (job,) = store.jobs()
    path = job.export(tmp_path / "export.json")
    os.truncate(path, path.stat().st_size // 2)
    before = path.read_bytes()
    with pytest.raises(StoreTargetError, match="no state file that can be read"):
        job.export(path)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_an_export_that_knows_more_than_the_store_is_not_replaced_unasked(
    store: CheckpointStore, tmp_path: Path
) -> None:
    """An export with a chunk that the store lacks is not replaced, even if both have equally many chunks."""
    (job,) = store.jobs()
    path = job.export(tmp_path / "export.json")
    text = path.read_text("utf-8")
    path.write_text(text.replace('"completed_chunks": [0, ', f'"completed_chunks": [{CHUNKS - 1}, '), "utf-8")
    with pytest.raises(StoreTargetError, match=f"has not \\({CHUNKS - 1}\\)"):
        job.export(path)


def test_a_large_file_is_synced_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A completion beside it waits for a piece of it, and not for all."""
    sizes: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    replace_file(tmp_path / "large.txt", ("x" * 1_000_000 for _ in range(12)))
    assert [size for size in sizes if size >= 1_000_000] == [5_000_000, 10_000_000, 12_000_000]
