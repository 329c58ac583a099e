"""Several processes make one store at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store import CheckpointStore
from checkpoint_store.storage import opening

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_store_that_its_maker_takes_away_again_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new store is made even if the process that began to make it removes it again."""
    path = tmp_path / "talks.db"
    path.touch(0o600)
    inspect = opening.inspect

    def gone(*words: object) -> str:
        monkeypatch.setattr(opening, "inspect", inspect)
        path.unlink()
        return inspect(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "inspect", gone)
    with CheckpointStore(path) as store:
        store.open_job("f", chunks=["a"]).complete(0, "A")
