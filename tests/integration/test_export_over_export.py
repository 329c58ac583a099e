"""An export over an older export of the same job, with more completed chunks than one page of indices has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StoreTargetError

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 3_000


def _read(path: Path) -> ProcessingState:
    return ProcessingState.from_json(path.read_bytes())


def test_an_export_over_an_older_one_is_the_state_as_it_is_now(store: CheckpointStore, tmp_path: Path) -> None:
    """Each export has every completed chunk once, and its result, whether or not an older export was there."""
    job, out = store.open_job("long.srt", total_chunks=COUNT), tmp_path / "out.json"
    job.complete_many((index, {"n": index}) for index in range(0, COUNT, 2))
    job.export(out)
    assert _read(out) == job.state()
    job.complete_many((index, {"n": index}) for index in range(1, COUNT, 2))
    job.export(out)
    job.export(tmp_path / "new.json")
    state = _read(out)
    assert list(state.completed_chunks) == list(state.result_indices) == list(range(COUNT))
    assert [result["n"] for result in state.processed_results] == list(range(COUNT))
    assert out.read_bytes() == (tmp_path / "new.json").read_bytes()


def test_an_export_that_knows_more_than_the_store_is_kept(store: CheckpointStore, tmp_path: Path) -> None:
    """A chunk that only the older export knows of, far behind the first page, is named, and the export stays."""
    job, out = store.open_job("long.srt", total_chunks=COUNT), tmp_path / "out.json"
    job.complete_many((index, index) for index in range(COUNT - 1))
    job.export(out)
    older = out.read_bytes().replace(b", 2998],", b", 2998, 2999  ],", 1)
    out.write_bytes(older)
    with pytest.raises(StoreTargetError, match=r"\(2999\)"):
        job.export(out)
    assert out.read_bytes() == older
