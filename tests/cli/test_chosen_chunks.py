"""Chunks are named by the same words in every command that takes some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.fixture
def mixed(folder: Folder) -> Folder:
    """A job of twelve chunks: those below six are complete, the others failed."""
    with CheckpointStore(folder.path / ".processing_state.db", durability="process") as store:
        job = store.open_job("talk", chunks={f"{index}.txt": str(index) for index in range(12)})
        job.complete_many((index, "x") for index in range(6))
        for index in range(6, 12):
            for _ in range(3):
                job.fail_chunk(index, "no")
    return folder


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "words",
    [
        ("{1}-{3}",),
        ("{1}", "{2}-{3}"),
        ("{1},{2}", "{3}"),
        ("--chunks", "{1}-{3}"),
        ("{1}", "--chunks", "{2},{3}"),
        ("{1}-{2}", "--key", "{3}.txt"),
        ("--key", "{1}.txt", "--key", "{2}.txt", "--chunks", "{3}"),
    ],
)
def test_retry_and_redo_take_the_same_words(mixed: Folder, words: tuple[str, ...]) -> None:
    """Single chunks, ranges, lists and keys, one beside the other; the last chunk of a range counts."""
    redone = mixed.json("redo", "talk", *(word.format(*range(5)) for word in words))
    assert redone["redo_chunks"] == [1, 2, 3]
    freed = mixed.json("retry", "talk", *(word.format(*range(6, 11)) for word in words))
    assert freed["freed_chunks"] == 3
    assert [row["start"] for row in mixed.json("chunks", "--status", "failed")["chunks"]] == [6, 10, 11]


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", ["retry", "redo"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("4-12",), "12 is not a chunk of job"),
        (("--chunks", "0-999999999"), "its chunks are 0 to 11"),
        (("7-3",), "7-3 ends before it begins; write 3-7"),
        (("x",), "'x' is no range of chunks such as 0-499, and no chunk such as 7"),
        (("3", "--key", "90.txt"), "90.txt"),
    ],
)
def test_what_is_no_chunk_is_named(mixed: Folder, command: str, words: tuple[str, ...], message: str) -> None:
    """``retry`` and ``redo`` refuse what is no chunk with equal messages, and change nothing."""
    before = mixed.json("chunks", "talk")
    assert message in " ".join(mixed.run(command, "talk", *words, code=2).stderr.split())
    assert mixed.json("chunks", "talk") == before
