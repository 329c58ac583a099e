"""A new store of a test is a copy of one that the migrations have made, which is quicker by far than to migrate each time.

The store takes the copy for one that another process has made a moment ago, as it does where two open the same new file.
Where the making itself is the point the migrations run (``MIGRATED``), and in each process that a test starts.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import opening

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
