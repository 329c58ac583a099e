"""The built-in cleaner."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.transcripts.clean import cleaner_for

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
clean = cleaner_for("en")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Um, we went, uh, to the moon. Um.", "We went to the moon."),
        ("Uh... so, um", "So"),
        ("Um um um, hello", "Hello"),
        ("It was, you know, great, and you know it.", "It was great, and you know it."),
        ("Hello — um — there", "Hello — there"),
        ("“Um, hi,” he said", "“Hi,” he said"),
    ],
)
def test_fillers_go_with_their_commas(raw: str, expected: str) -> None:
    """What is left reads as if nothing had been said."""
    assert clean(raw) == expected


@pytest.mark.parametrize(
    "text", ["The ER of UM said uh-huh.", "Do you know, I mean it?", "An umbrella, a hummer, ermine."]
)
def test_words_that_look_like_fillers_stay(text: str) -> None:
    """Names, answers and longer words are no fillers."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("the the moon", "the moon"),
        ("I, I think that the the the moon", "I think that the moon"),
        ("I- I think th- the wor- world", "I think the world"),
    ],
)
def test_stutters_go(raw: str, expected: str) -> None:
    """Doubled small words and words broken off are said once."""
    assert clean(raw) == expected


@pytest.mark.parametrize(
    "text",
    ["He had had it.", "I know that that is so.", "very very good", "No, no!", "pre- and post-war", "A- and AA-rated"],
)
def test_legitimate_doubles_stay(text: str) -> None:
    """What may be meant is left alone."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("[00:01:02] Hello (00:01:03.5) there", "Hello there"),
        ("00:01:02 - So we begin\n00:01:05 and go on", "So we begin and go on"),
        ("0:03\nhello\n0:05\nthere", "hello there"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nthere.", "Hello there."),
    ],
)
def test_timestamps_go(raw: str, expected: str) -> None:
    """In brackets, alone on a line, before a line, and as a subtitle's cue."""
    assert clean(raw) == expected


@pytest.mark.parametrize("text", ["At 10:30:15 sharp.", "Genesis (1:23) says so.", "12:30 was the time."])
def test_times_that_are_said_stay(text: str) -> None:
    """A time in a sentence is part of it."""
    assert clean(text) == text


def test_noises_go_and_other_brackets_stay() -> None:
    """What the audience did is not text; what could not be understood is worth knowing."""
    raw = "Hello [laughter] there (cheers and applause) [soft music playing] ♪ (music theory) [inaudible] [Smith 1962]"
    assert clean(raw) == "Hello there (music theory) [inaudible] [Smith 1962]"


def test_lines_are_joined_and_paragraphs_and_turns_kept() -> None:
    """Blank lines and speakers' names begin paragraphs; other line ends do not."""
    raw = "One line\nand   another .\n \nNew paragraph\nJOHN KENNEDY: hi\nthere\nDr. Webb: yes , sure ,, ok"
    expected = "One line and another.\n\nNew paragraph\n\nJOHN KENNEDY: hi there\n\nDr. Webb: yes, sure, ok"
    assert clean(raw) == expected


def test_each_language_has_its_own_fillers() -> None:
    """In German "er" and "um" are words, in Portuguese "um" is."""
    assert cleaner_for("de-AT")("Er ging, ähm, um das das Haus.") == "Er ging um das Haus."
    assert cleaner_for("pt")("É um um livro, hmm, bom.") == "É um um livro bom."


def test_a_clean_text_loses_nothing_but_noise() -> None:
    """Of the sample, which was edited by hand, only ``[laughter]`` goes."""
    assert clean(SAMPLE).split() == SAMPLE.replace("[laughter]", "").split()


FRAGMENTS = (
    "um", "Um,", "uh", "[", "]", "(", ")", "laughter", "[music]", ",", ".", " ", "\n", "\n\n", "the", "The", "I-", "th-",
    "00:01:02", "1", "-->", "JOHN: ", "you know", "♪", "—", "...", "moon", '"', "'", ";", "and",
)  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join) | st.text())
def test_cleaning_twice_is_cleaning_once(raw: str) -> None:
    """What is clean stays as it is."""
    once = clean(raw)
    assert clean(once) == once


def test_a_long_run_of_anything_is_cleaned_in_reasonable_time() -> None:
    """No rule looks at the rest of the text for each character (a hang here would be one that does)."""
    for fragment in (" ", "\n", "[", "um ", ", ", "the ", "1\n", "a-", "laughter ", "(laughter ", ". "):
        clean(fragment * 20_000)
