"""What lies at the name of a file of a store, and is none of ours, is refused before anything is opened."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from conftest import snapshot

from checkpoint_store import (
    CheckpointStore,
    StateManager,
    StorageUnavailableError,
    StoreTargetError,
    doctor,
    migrate,
    recover_store,
    restore_store,
)
from checkpoint_store.storage.runner_lock import probe, reap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIBLINGS = (
    "talks.db-wal",
    "talks.db-shm",
    "talks.db-journal",
    "talks.lock",
    "talks.open",
    "talks.db.recovered",
    "talks.db.backup-1.2-0099",
    "talks.db.runner-0123456789ab",
)
STATES = ("talks.json", "talks.bak")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)  # a path of pytest's is too long for the name of a socket
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a symlink": lambda path: path.symlink_to("thesis.txt"),
    "a socket": _socket,
    "2 names": lambda path: os.link(path.with_name("thesis.txt"), path),
}
WAYS: dict[str, Callable[[Path], object]] = {
    "open": lambda path: CheckpointStore(path).close(),
    "open read-only": lambda path: CheckpointStore(path, read_only=True).jobs(),
    "open another state file": lambda path: CheckpointStore(path, state_file=None).close(),
    "manager": lambda path: StateManager(path.with_suffix(".json")).load(),
    "doctor": doctor,
    "migrate": migrate,
    "downgrade": lambda path: migrate(path, to="1.0"),
    "recover": lambda path: recover_store(path, accept_loss=True),
    "restore": lambda path: restore_store(path.with_name("copy.db"), path),
}
planted = pytest.mark.parametrize("kind", PLANTED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store of one job, a backup of it, and somebody's thesis."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(tmp_path / "copy.db")
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "thesis.txt").chmod(0o644)
    return tmp_path / "talks.db"


def _plant(name: str, kind: str, path: Path) -> None:
    (path.parent / name).unlink(missing_ok=True)
    PLANTED[kind](path.parent / name)


@pytest.mark.slow_variants
@planted
@pytest.mark.parametrize("name", SIBLINGS)
def test_what_was_planted_is_refused_by_every_way_in(path: Path, name: str, kind: str) -> None:
    """Nothing is waited for, followed or touched; the error names the file, and what it is."""
    _plant(name, kind, path)
    before = snapshot(path.parent)
    for way in WAYS.values():
        with pytest.raises(StoreTargetError, match=rf"{name} beside it (is|has) {kind}.* remove it"):
            way(path)
    assert snapshot(path.parent) == before
    (path.parent / name).rmdir() if kind == "a folder" else (path.parent / name).unlink()
    with CheckpointStore(path) as store:
        assert store.jobs()[0].result(0) == "paid for"
    assert (path.parent / "thesis.txt").read_text() == "mine"


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "2 names"])
@pytest.mark.parametrize("name", STATES)
def test_what_was_planted_as_a_state_file_is_refused(path: Path, name: str, kind: str) -> None:
    """Who does not use the state file is not bothered."""
    _plant(name, kind, path)
    before = snapshot(path.parent)
    for way in ("open", "manager", "recover", "restore"):
        with pytest.raises(StoreTargetError, match=f"{name}.* not a regular file"):
            WAYS[way](path)
    assert snapshot(path.parent) == before
    with CheckpointStore(path, state_file=None) as store:
        assert store.jobs()[0].result(0) == "paid for"


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "2 names"])
def test_a_runners_lock_that_is_no_file_is_waited_for_by_nobody(path: Path, kind: str) -> None:
    """A runner's lock that is no regular file is refused, and nobody waits for it."""
    lock = path.with_name("talks.db.runner-0123456789ab")
    PLANTED[kind](lock)
    for look in (probe, reap):
        with pytest.raises(StorageUnavailableError):
            look(lock)
    assert os.path.lexists(lock)


def test_modes_are_mended(path: Path) -> None:
    """A store that was copied or touched as 0644 is its owner's alone once it is opened, and so is all beside it."""
    copy = path.with_name("other.db")
    for end in (".db", ".json", ".lock", ".open"):
        shutil.copyfile(path.with_suffix(end), copy.with_suffix(end))
    shutil.copyfile(path, copy.with_name("other.db.backup-1.2-0001"))
    touched = path.with_name("touched.db")
    touched.touch()
    for one in path.parent.iterdir():
        one.chmod(0o644)
    for name in (copy, touched):
        with CheckpointStore(name) as store:
            store.open_job("talk.srt", total_chunks=2).complete(1, "more")
            _assert_private(name)
        _assert_private(name)


def _assert_private(store: Path) -> None:
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in store.parent.iterdir() if store.stem in one.name}
    assert len(modes) > 2
    assert set(modes.values()) == {0o600}, modes


def test_reading_mends_nothing(path: Path) -> None:
    """A read-only open leaves a mode as it is, and reads what others may read."""
    path.chmod(0o644)
    before = snapshot(path.parent)
    with CheckpointStore(path, read_only=True) as store:
        assert store.jobs()[0].result(0) == "paid for"
    assert snapshot(path.parent) == before


def test_the_file_of_another_program_keeps_its_mode(path: Path) -> None:
    """Only what is known to be a store is mended."""
    thesis = path.with_name("thesis.db")
    path.with_name("thesis.txt").rename(thesis)
    before = snapshot(path.parent)
    with pytest.raises(StoreTargetError):
        CheckpointStore(thesis)
    assert snapshot(path.parent) == before


def test_a_symlink_that_the_caller_names_is_followed(path: Path) -> None:
    """``import_state`` follows a symlink that the caller names; a symlink in the state file's place is refused."""
    link = path.with_name("link.json")
    link.symlink_to("talks.json")
    with CheckpointStore(path.with_name("other.db")) as store:
        assert store.import_state(link).result(0) == "paid for"
        store.jobs()[0].export(link, replace=True)
    assert not link.is_symlink()
