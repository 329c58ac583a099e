"""After an edit the built-in cleaner gives every word, also where an earlier result of a chunk is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "talk.txt", "--chunk-size", 12, "--overlap", 0, "--language", "en")


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("We all saw the the river.", "We all saw a the river."),
        ("We all go to to the sea.", "We all go up to the sea."),
        ("So we said: um, the river.", "So we said: no, the river."),
        ("It was big.\nAnd deep.", "It was big!\nAnd deep."),
    ],
)
def test_an_edit_of_one_chunk_costs_no_word_of_the_next(folder: Folder, before: str, after: str) -> None:
    """What the cleaner made of a chunk beside other words is not kept: the output is that of a first run."""
    folder.write("talk.txt", after)
    folder.run(*WORDS, "--output", "first.txt", "--store", "first.db")
    folder.write("talk.txt", before)
    folder.run(*WORDS)
    folder.write("talk.txt", after)
    folder.run(*WORDS, "--on-change", "reuse")
    assert folder.read("talk.cleaned.txt") == folder.read("first.txt")
