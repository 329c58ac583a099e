"""What an opening looks at on the disk: the store's own folder, a few times, and no folder that others fill."""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StorageFullError
from checkpoint_store.storage.files import sibling_check
from checkpoint_store.storage.files import unrecorded as unrecorded_files

from .full_disks import full_disk

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore

_listening: list[Counter[str]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("os.listdir", "os.scandir") and _listening:
        _listening[-1][os.fspath(arguments[0])] += 1


@cache
def _listen() -> None:
    sys.addaudithook(_hear)  # which stays until the process ends


@pytest.fixture
def listed() -> Any:
    """How often each folder was listed."""
    _listen()
    _listening.append(Counter())
    yield _listening[-1]
    _listening.pop()


def kept_in(folder: Path) -> list[Path]:
    """Return the files of unrecorded results in a folder and the folders in it."""
    return sorted(folder.rglob("*.unrecorded-*"))


def leave_a_result(store: CheckpointStore) -> str:
    """Work on a full disk: one result goes to the folder for temporary files. Returns the id of its job."""
    job = store.open_job("talk.srt", total_chunks=2)
    with full_disk(store):
        with pytest.raises(StorageFullError):
            list(job.map(lambda index: {"paid": index}))
        with pytest.raises(StorageFullError):
            store.close()
    return job.job_id


def test_no_folder_for_temporary_files_is_listed(
    store: CheckpointStore, open_store: Opener, temporary: Path, listed: Counter[str]
) -> None:
    """However full the folder for temporary files is, a store opens as fast."""
    store.close()
    listed.clear()
    open_store()
    assert listed.pop(str(store.path.parent)) <= 8
    assert [folder for folder in listed if Path(folder) == temporary] == []


def test_each_file_beside_the_store_is_looked_at_once_for_its_owner(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An opening asks once whose the files beside the store are."""
    store.close()
    looks, foreign = [], sibling_check._foreign
    monkeypatch.setattr(sibling_check, "_foreign", lambda path: looks.append(path) or foreign(path))
    open_store()
    assert looks == [store.path]


def test_a_result_in_the_folder_for_temporary_files_is_taken_in(
    store: CheckpointStore, open_store: Opener, temporary: Path
) -> None:
    """An opening takes a result in from a private temporary folder, and removes its file once it is recorded."""
    job_id = leave_a_result(store)
    (path,) = kept_in(temporary)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    assert list(open_store().job(job_id).items()) == [(0, {"paid": 0})]
    assert kept_in(temporary) == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("planted", ["file", "symlink", "open to others"])
def test_who_takes_the_name_of_that_folder_loses_nobody_a_result(
    store: CheckpointStore, open_store: Opener, temporary: Path, planted: str
) -> None:
    """Whatever has its name already is not used, and the result is found all the same."""
    folder, elsewhere = unrecorded_files.private_folder(temporary), temporary.parent / "elsewhere"
    elsewhere.mkdir()
    if planted == "open to others":
        folder.chmod(0o777)
    else:
        folder.rmdir()
        folder.write_text("") if planted == "file" else folder.symlink_to(elsewhere)
    job_id = leave_a_result(store)
    (path,) = kept_in(temporary)
    assert (path.parent, kept_in(elsewhere)) == (temporary, [])
    assert list(open_store().job(job_id).items()) == [(0, {"paid": 0})]
    assert kept_in(temporary) == []
