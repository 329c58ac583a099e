"""Lists of chunk indices that are kept as spans."""

from __future__ import annotations

from each_case import each_case

from checkpoint_store.model.chunks import IndexList

LISTS = {
    "empty": [],
    "consecutive": list(range(5000)),
    "gaps": [0, 1, 2, 5, 6, 9],
    "backwards": [4, 3, 2, 1, 0],
    "turns": [0, 1, 5, 2, 3, 4, 6],
    "huge": [2**63 - 2, 2**63 - 1],
}


@each_case("indices", LISTS.values(), ids=LISTS)
def test_indices_come_back_in_their_order(indices: list[int]) -> None:
    """A state file names its chunks in the order of its results, whatever the order is."""
    kept = IndexList(indices)
    assert list(kept) == indices
    assert [index for page in kept.pages() for index in page] == indices
    assert len(kept) == len(indices)
    assert kept.is_ascending is (indices == sorted(indices))


@each_case("cut", [0, 3, 6])
def test_indices_are_added_behind_the_others(cut: int) -> None:
    """The results of the next writing stand behind those of the writings before it, which stay as they were."""
    indices = LISTS["turns"]
    first, later = IndexList(indices[:cut]), IndexList(indices[cut:])
    both = first.and_these(later)
    assert (list(both), len(both), list(first)) == (indices, len(indices), indices[:cut])
    first.extend(indices[cut:])
    assert list(first) == indices
