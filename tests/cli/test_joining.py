"""Joining cleaned pieces: nothing twice, nothing lost."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.transcripts.clean import cleaner_for
from checkpoint_store.cli.transcripts.join import join
from checkpoint_store.cli.transcripts.read import split

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
SIZES = st.integers(2, 300).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size // 2)))
WORDS = st.lists(
    st.sampled_from(["we", "choose", "to", "go", "moon.", "the", "The", "naïve", "月面", "-", "\n\n", "\n"])
)


def joined(text: str, chunk_size: int, overlap: int, clean: Callable[[str], str], line_end: str = "\n") -> str:
    """Return what comes of cleaning ``text`` piece by piece."""
    pieces = split(text, chunk_size=chunk_size, overlap=overlap)
    return "".join(join(pieces, [clean(piece.text) for piece in pieces], line_end=line_end))


@given(st.text(max_size=500), SIZES)
def test_pieces_left_as_they_are_join_to_the_text(text: str, sizes: tuple[int, int]) -> None:
    """Cutting and joining any text gives its words, each once."""
    assert joined(text, *sizes, str).split() == text.split()


@given(WORDS, SIZES)
def test_repeated_phrases_do_not_mislead(words: list[str], sizes: tuple[int, int]) -> None:
    """A text of nothing but repetitions comes back word by word: the length of each overlap is known."""
    text = " ".join(words)
    assert joined(text, *sizes, str).split() == text.split()


@pytest.mark.parametrize(("chunk_size", "overlap"), [(2000, 200), (2000, 1000), (700, 70), (300, 100), (100, 50)])
def test_the_sample_comes_back_with_its_paragraphs(chunk_size: int, overlap: int) -> None:
    """What stood between two pieces stands there again."""
    assert joined(SAMPLE, chunk_size, overlap, str) == SAMPLE.strip()


@pytest.mark.parametrize(("chunk_size", "overlap"), [(2000, 200), (1000, 100), (500, 200), (300, 50)])
def test_cleaning_in_pieces_is_cleaning_the_whole(chunk_size: int, overlap: int) -> None:
    """With the built-in cleaner the cuts cannot be seen in the words."""
    clean = cleaner_for("en")
    assert joined(SAMPLE, chunk_size, overlap, clean, " ").split() == clean(SAMPLE).split()


@pytest.mark.parametrize("seed", range(8))
def test_cleaning_a_raw_transcript_in_pieces_is_cleaning_the_whole(seed: int) -> None:
    """The same where fillers, stutters and tags stand at the cuts."""
    clean, raw = cleaner_for("en"), _noisy(SAMPLE, seed)
    assert joined(raw, 2000, 200, clean, " ").split() == clean(raw).split()


def _noisy(text: str, seed: int) -> str:
    chance = random.Random(seed)
    words: list[str] = []
    for word in text.split(" "):
        extra = chance.choices(["", "um,", "uh", "[laughter]", "[00:12:13]", word], [90, 3, 2, 1, 1, 3])[0]
        words += [extra, word] if extra else [word]
    return " ".join(words)


def _reworded(text: str, seed: int) -> str:
    chance = random.Random(f"{seed}{text}")
    return " ".join(
        chance.choice(["", "indeed", f"so {word}"]) if chance.random() < 0.1 else word for word in text.split()
    )


@pytest.mark.parametrize("seed", range(8))
def test_rewording_hides_no_overlap(seed: int) -> None:
    """A cleaner that words one passage differently each time: hardly a word of the overlaps stands twice."""
    words = joined(SAMPLE, 2000, 200, lambda text: _reworded(text, seed)).split()
    alone = _reworded(SAMPLE, seed).split()
    assert abs(len(words) - len(alone)) < 40  # 8 pieces that share about 180 words


def test_a_translation_is_aligned_by_itself() -> None:
    """Where no word of the source is left, the two translations of the shared passage are compared."""
    words = joined(SAMPLE, 2000, 200, lambda text: " ".join(f"{word.lower()[::-1]}x" for word in text.split())).split()
    assert words == [f"{word.lower()[::-1]}x" for word in SAMPLE.split()]


def test_what_cannot_be_aligned_is_kept_whole() -> None:
    """Unrelated answers are joined as they are: rather a word twice than a word lost."""
    pieces = split(SAMPLE, chunk_size=2000, overlap=200)
    answers = [f"{chr(97 + number)}nswer " * 20 for number in range(len(pieces))]
    assert "".join(join(pieces, answers)).split() == " ".join(answers).split()


def test_empty_answers_leave_no_trace() -> None:
    """A piece that is cleaned to nothing gives neither text nor a blank line."""
    pieces = split("One here.\n\nTwo here.\n\nThree here.", chunk_size=12, overlap=0)
    assert "".join(join(pieces, ["", "Two.", ""])) == "Two."
