"""Whatever copy of a store is killed before it is whole, what deletes results deletes the unfinished copy, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children


def _delete(store: CheckpointStore) -> None:
    store.delete_job(store.job("talk.srt").job_id)


def _prune(store: CheckpointStore) -> None:
    store.prune(dry_run=False)


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["merge", "backup"])
@pytest.mark.parametrize("call", [_delete, _prune])
def test_an_unfinished_copy_is_removed(
    tmp_path: Path, children: Children, how: str, call: Callable[[CheckpointStore], None]
) -> None:
    """Deleting a job and pruning remove each unfinished copy of a killed process: it may have results of the job."""
    for name in ("talks.db", "other.db"):
        with CheckpointStore(tmp_path / name, state_file=None) as store:
            store.open_job("talk.srt", chunks=["a", "b"]).complete(0, "a result")
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    arguments = (tmp_path / "talks.db", tmp_path / "other.db", how)
    children.run(program(__file__, "killed_with_copies"), *arguments, code=-9)
    assert list(tmp_path.glob("talks.db*.tmp-*"))
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        call(store)
    assert list(tmp_path.glob("talks.db*.tmp-*")) == []
