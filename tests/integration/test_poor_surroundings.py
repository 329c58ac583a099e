"""Few descriptors, no threads, no file locks, long names: a store works there, or says what is missing. Nothing is lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import program

import checkpoint_store
from checkpoint_store import CheckpointStore, CheckpointStoreError, InvalidArgumentError, StoreTargetError

ROOT = Path(checkpoint_store.__file__).parent.parent
FEW_DESCRIPTORS = program(__file__, "few_descriptors")
NO_LOCKS = program(__file__, "no_locks")


def run(source: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program that uses the library."""
    words = [sys.executable, str(source), *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.mark.slow
@pytest.mark.parametrize("descriptors", [8, 12, 20])
def test_few_descriptors(tmp_path: Path, descriptors: int) -> None:
    """With few file descriptors a run works, or ends in one error of the library; what was acknowledged is there."""
    path = tmp_path / "talk.db"
    done = run(FEW_DESCRIPTORS, path, descriptors)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    recorded = json.loads(done.stdout)
    assert recorded or "Too many open files" in done.stderr or "unable to open" in done.stderr
    with CheckpointStore(path) as store:
        assert set(recorded) <= {index for job in store.jobs() for index, _ in job.items()}
        assert len(list(store.open_job("talk.srt", total_chunks=3).map(lambda _: {}))) <= 3
        assert store.latest_job() is not None


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system starts no thread."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_threads")
def test_no_threads(tmp_path: Path) -> None:
    """Where the system starts no thread, one worker works; for more, the error says so, and no chunk is in doubt."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", chunks=["a", "b", "c"])
        with pytest.raises(InvalidArgumentError, match="the system starts none"):
            list(job.map(str.upper, workers=3))
        assert job.in_doubt_chunks() == job.errors() == []
        assert [item.result for item in job.map(str.upper)] == ["A", "B", "C"]


def test_fewer_threads_than_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system starts some threads and no more, those do the work of all."""
    start, started = threading.Thread.start, list[threading.Thread]()

    def refuse_the_third(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", chunks=list("abcdefgh"))
        assert sorted(item.result for item in job.map(str.upper, workers=4)) == list("ABCDEFGH")


@pytest.mark.slow
def test_a_file_system_without_locks_is_named(tmp_path: Path) -> None:
    """SQLite calls a file busy that no file system locks: each error says what is the matter, and what helps."""
    lines = run(NO_LOCKS, tmp_path / "talk.db").stdout.splitlines()
    assert len(lines) == 2
    assert all("no file locks; keep the store on a local disk" in line for line in lines)


def test_a_folder_that_takes_only_short_names_says_how_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is refused at opening where the file system says that it takes less than the names beside the store."""
    monkeypatch.setattr(os, "pathconf", lambda _path, _name: 143)
    with pytest.raises(StoreTargetError, match="103 bytes are the most here"):
        CheckpointStore(tmp_path / f"{'n' * 101}.db")
    assert list(tmp_path.iterdir()) == []
    CheckpointStore(tmp_path / f"{'n' * 100}.db").close()


def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    """A path that SQLite does not open, and a name without room for the files beside it, are refused before any write."""
    with pytest.raises(StoreTargetError, match="leaves no room for the files beside it"):
        CheckpointStore(tmp_path / f"{'n' * 240}.db")
    folder = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 100)
    folder.mkdir(parents=True)
    with pytest.raises(StoreTargetError, match="SQLite opens at most 504"):
        CheckpointStore(folder / "talk.db")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 300, f"{'n' * 300}/b.db"], ids=["file", "folder"])
def test_a_name_that_is_too_long_is_an_error_of_every_call(tmp_path: Path, name: str) -> None:
    """A backup, a merge and an export refuse a name that no file can have with the error of a wrong path."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=1)
        for call in (store.backup, store.merge, job.export, CheckpointStore):
            with pytest.raises(StoreTargetError):
                call(tmp_path / name)


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was opened by a relative path goes on when the program changes its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    with CheckpointStore("talk.db", state_file="talk.json") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        monkeypatch.chdir("sub")
        job.complete(0, {"n": 0})
        job.complete(1, {"n": 1})
    assert list((tmp_path / "sub").iterdir()) == []
    assert {"talk.db", "talk.json"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["a#b?c%20d.db", "new\nline.db", "quote'\".db", "-dash.db", "*[a].db", "a:b.db"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    """A name with what an URI, a shell, a glob or SQL reads differently is a name like any other."""
    with CheckpointStore(tmp_path / name) as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, {"n": 0})
    with CheckpointStore(tmp_path / name) as store:
        assert list(store.job("talk.srt").results()) == [{"n": 0}]


def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    """While the folder is away a completion is refused; when it is back the same object goes on, and nothing is lost."""
    folder, away = tmp_path / "here", tmp_path / "away"
    folder.mkdir()
    with CheckpointStore(folder / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        job.complete(0, {"n": 0})
        folder.rename(away)
        with pytest.raises(CheckpointStoreError):
            job.complete(1, {"n": 1})
        away.rename(folder)
        job.complete(1, {"n": 1})
        assert list(job.results()) == [{"n": 0}, {"n": 1}]


def test_a_host_name_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes any bytes for the name of a machine, and work begins under each of them."""
    monkeypatch.setattr(socket, "gethostname", lambda: os.fsdecode(b"b\xfcro"))
    with CheckpointStore(tmp_path / "talks.db") as store, store.open_job("f", total_chunks=1, exclusive=True) as job:
        (runner,) = job.runners()
        assert runner.host == r"b\xfcro"
        job.complete(0, "paid for")
