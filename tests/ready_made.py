"""Make what each test finds ready: a folder for temporary files, and new stores that are copies.

A new store is a copy of one that the migrations have made: in each test, and in each program that a test starts as a fork.
Where the making itself is the point the migrations run (``MIGRATED``, and the marker ``migrates``).
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache, partial
from itertools import count
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Final

import pytest
from store_copies import create_copy, create_empty

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import opening
from checkpoint_store.storage.files import unrecorded as unrecorded_files

MIGRATED: Final = frozenset({"acceptance", "migration", "faults", "storms", "benchmarks"})
"""The folders of tests whose new stores are made by the migrations."""


@cache
def _empty_store() -> Path:
    """Make an empty store by the migrations, which every user may read; return its file."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "_create", create_empty)
        CheckpointStore(Path(folder, "empty.db"), state_file=None).close()
        return Path(shutil.copyfile(Path(folder, "empty.db"), _folder_for_temporary_files() / "empty.db"))


_content: Final = cache(lambda: _empty_store().read_bytes())


@pytest.fixture
def store_to_copy(request: pytest.FixtureRequest) -> Path | None:
    """Return the file of which each new store is a copy; None if the test is about how a store is made."""
    is_migrated = request.path.parent.name in MIGRATED or "migrates" in request.keywords
    return None if is_migrated else _empty_store()


@pytest.fixture(autouse=True)
def new_stores_are_copies(store_to_copy: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create each new store of this process as a copy, unless the test is about how a store is made."""
    if store_to_copy:
        monkeypatch.setattr(opening, "_create", partial(create_copy, _content))


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
