"""Two jobs that share results go on sharing them in a store that was merged into, or made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, recover_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.store import OnChange


def work_on(path: Path, chunks: str, *, at_most: int | None = None, on_change: OnChange = "refuse") -> str:
    """Complete the chunks that are left, or the first of them; return those that were paid for."""
    with CheckpointStore(path) as store:
        job = store.open_job("f", chunks=list(chunks), on_change=on_change)
        only = None if at_most is None else range(at_most)
        return "".join(sorted(item.result["text"] for item in job.map(lambda chunk: {"text": chunk}, only=only)))


def merge_an_unrelated_store(path: Path) -> Path:
    other = path.with_name("other.db")
    with CheckpointStore(other) as store:
        store.map(str.upper, ["x"], file_name="another file")
    with CheckpointStore(path) as store:
        store.merge(other)
    return path


def merge_into_an_empty_store(path: Path) -> Path:
    empty = path.with_name("empty.db")
    with CheckpointStore(empty) as store:
        store.merge(path)
    return empty


def make_anew(path: Path) -> Path:
    recover_store(path)
    return path


def lose_the_store_file(path: Path) -> Path:
    path.unlink()
    return path


@pytest.mark.slow_variants
@pytest.mark.filterwarnings("ignore::checkpoint_store.StoreRecovered")
@pytest.mark.parametrize(
    "act",
    [merge_an_unrelated_store, merge_into_an_empty_store, make_anew, lose_the_store_file],
    ids=lambda act: act.__name__,
)
@pytest.mark.parametrize(("on_change", "edited", "rest"), [("reuse", "Xbd", "c"), ("restart", "Xabd", "bcd")])
def test_an_undone_edit_costs_nothing_after_a_merge_or_a_recovery(
    tmp_path: Path, act: Callable[[Path], Path], on_change: OnChange, edited: str, rest: str
) -> None:
    """Who said `reuse` for the edit pays for no chunk twice, and who said `restart` gets no results of the restarted job."""
    path = tmp_path / "talks.db"
    assert work_on(path, "abcd", at_most=1) == "a"
    assert work_on(path, "abXd", on_change=on_change) == edited
    assert work_on(act(path), "abcd") == rest


def test_a_merged_result_is_reused_although_another_job_was_deleted(tmp_path: Path) -> None:
    """The store has as many jobs and results as at the last search, and yet a new result: it is found."""
    path, other = tmp_path / "talks.db", tmp_path / "other.db"
    with CheckpointStore(other) as store:
        store.map(lambda chunk: {"text": chunk}, ["b"], file_name="another file")
    with CheckpointStore(path) as store:
        store.map(str.upper, ["x"], file_name="a third file")
        unrelated = store.latest_job().job_id
    assert work_on(path, "ab", at_most=1, on_change="reuse") == "a"
    with CheckpointStore(path) as store:
        store.merge(other)
        store.delete_job(unrelated)
    assert work_on(path, "ab", on_change="reuse") == ""
