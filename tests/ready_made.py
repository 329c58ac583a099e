"""Make what each test finds ready: a folder for temporary files, and new stores that are copies.

A new store is a copy of one that the migrations have made, which is quicker by far than to migrate each time.

The store takes the copy for one that another process has made a moment ago, as it does where two open the same new file.
Where the making itself is the point the migrations run (``MIGRATED``), and in each process that a test starts.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from itertools import count
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Final

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import opening
from checkpoint_store.storage.files import unrecorded as unrecorded_files

MIGRATED: Final = frozenset({"migration", "faults", "storms", "benchmarks"})
"""The folders of tests whose new stores are made by the migrations."""

_create_empty: Final = opening._create


def create_copy(path: Path) -> bool:
    """Create a store file as the package does, and put an empty store of the newest schema into it."""
    created = _create_empty(path)
    if created:
        path.write_bytes(_empty_store())
    return created


@cache
def _empty_store() -> bytes:
    """Return the bytes of an empty store that the migrations made."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "_create", _create_empty)
        CheckpointStore(Path(folder, "empty.db"), state_file=None).close()
        return Path(folder, "empty.db").read_bytes()


@pytest.fixture(autouse=True)
def new_stores_are_copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create each new store of this process as a copy, unless the test is about how a store is made."""
    if request.path.parent.name not in MIGRATED and "migrates" not in request.keywords:
        monkeypatch.setattr(opening, "_create", create_copy)


_folder_numbers: Final = count()


@cache
def _folder_for_temporary_files() -> Path:
    """Make a folder which is removed with the process; another user may go through it, as through ``/tmp``."""
    folder = Path(tempfile.mkdtemp(prefix="checkpoint-store-tests-"))
    folder.chmod(0o711)
    # multiprocessing removes a folder of its own in this one, with the priority -100.
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200)
    return folder


@pytest.fixture(autouse=True)
def temporary_files_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty folder for temporary files: results that it leaves there are read by no other store."""
    folder = _folder_for_temporary_files() / str(next(_folder_numbers))
    folder.mkdir()
    folder.chmod(0o711)
    _use_for_temporary_files(monkeypatch, folder)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder for temporary files, in which each store also looks for results that others left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    _use_for_temporary_files(monkeypatch, folder, folder)
    return folder


def _use_for_temporary_files(monkeypatch: pytest.MonkeyPatch, folder: Path, *looked_at: Path) -> None:
    """Use a folder for temporary files. Stores look into ``looked_at``, too, as they would into ``/var/tmp``."""
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(unrecorded_files, "_TEMPORARY_FOLDERS", looked_at)
