"""The built-in cleaner."""

from __future__ import annotations

from pathlib import Path

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.transcripts.clean import cleaned

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
CASES = Path(__file__).parent / "captions"


def clean(text: str) -> str:
    """Return an English text cleaned."""
    return cleaned(text, "en").text


@each_case(
    ("raw", "expected"),
    [
        ("Um, we went, uh, to the moon. Um.", "We went to the moon."),
        ("Uh... so, um", "So"),
        ("Um um um, hello", "Hello"),
        ("I, uhm, said it, erm, twice", "I said it twice"),
        ("Hello — um — there", "Hello — there"),
        ("“Um, hi,” he said", "“Hi,” he said"),
    ],
)
def test_fillers_go_with_their_commas(raw: str, expected: str) -> None:
    """What is left reads as if nothing had been said."""
    assert clean(raw) == expected


@each_case(
    "text",
    [
        "The ER of UM said uh-huh.",
        "It was, you know, great, I mean it.",
        "An umbrella, a hummer, ermine, er, hmm.",
        "Um Kulthum sang for them.",
        'He writes “um” and "uh" out.',
        "Then he said: ging er um das Haus.",
        (CASES / "words_en.txt").read_text().replace("\n", " ").strip(),
    ],
)
def test_words_that_look_like_fillers_stay(text: str) -> None:
    """Names, answers and longer words are no fillers."""
    assert clean(text) == text


@each_case(
    ("raw", "expected"),
    [
        ("the the moon", "the moon"),
        ("I think that the the the moon is to to land", "I think that the moon is to land"),
        ("of of\nof our our own", "of our own"),
    ],
)
def test_doubled_words_go(raw: str, expected: str) -> None:
    """Small words that nobody doubles on purpose are said once."""
    assert clean(raw) == expected


@each_case(
    "text",
    [
        "He had had it.",
        "I know that that is so.",
        "very very good",
        "No, no!",
        "pre- and post-war",
        "A- and AA-rated",
        "The The played.",
        "to, to",
        "It is what it is is the answer.",
        "I- I think th- the wor- world",
    ],
)
def test_legitimate_doubles_stay(text: str) -> None:
    """What may be meant is left alone."""
    assert clean(text) == text


@each_case(
    ("raw", "expected"),
    [
        ("[00:01:02] Hello (00:01:03.5) there", "Hello there"),
        ("00:01:02 - So we begin\n00:01:05 and go on", "So we begin and go on"),
        ("0:03\nhello\n0:05\nthere", "hello there"),
        ("0:03 hello\n1:05 there", "hello there"),
        ("0:03\n3 seconds\nhello\n1:05\n1 minute, 5 seconds\nthere", "hello there"),
        ("[00:00.000 --> 00:04.000]  We go\n[00:04.000 --> 00:06.000]  to the moon", "We go to the moon"),
        ("0:00:01.000,0:00:02.000\nHello\n\n0:00:02.000,0:00:03.000\nthere.", "Hello there."),
        ("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nthere.", "Hello there."),
    ],
)
def test_timestamps_go(raw: str, expected: str) -> None:
    """Timestamps are removed in brackets, alone on a line, before a line, and as the times of a subtitle."""
    assert clean(raw) == expected


@each_case(
    ("raw", "expected"),
    [
        ("Minutes\n\n00:01 --> 00:03 We go\n00:03 --> 00:06 align:start to the moon", "Minutes We go to the moon"),
        ("<i>00:00:01,000 --> 00:00:02,000\nWe go\nto the moon</i>", "We go to the moon"),
        ("[music] 00:00:01,000 --> 00:00:02,000 position:10% line:0\nWe go", "We go"),
        ("0:01 00:00:01,000 --> 00:00:02,000\nWe go", "We go"),
        ("00:01 --> 00:02 00:02 --> 00:03 line:0 00:03 --> 00:04 We go", "We go"),
        ("00:01 --> 00:02; We go\n\n00:00:02,000 --> 00:00:03,000To the moon", "We go To the moon"),
        (r"00:01 --> 00:02{\an8}We go", "We go"),
        ("[music] 00:00:01,000 --> 00:00:02;000\nWe go", "We go"),
    ],
)
def test_words_behind_the_times_of_a_subtitle_stay(raw: str, expected: str) -> None:
    """The times of a subtitle take no word of their line along, also where the line was joined with the next."""
    assert clean(raw) == expected


@each_case(
    "behind",
    [
        *("\u200f", "\u200e", ";", ",", "]", r"{\an8}", r"{\an8}; line:0", " \u200f", " -", "0", ";000"),
        *(" Align:start", " A:start L:90%", " region:", " line:", "\u200f X1:40 X2:600"),
    ],
)
def test_marks_and_settings_behind_the_times_of_a_subtitle_go(behind: str) -> None:
    """What a program or a typing error puts behind the times of a subtitle goes with them, and with the number above."""
    cues = (f"{number}\n00:00:0{number},000 --> 00:00:0{number},500{behind}" for number in (1, 2))
    assert clean("Notes.\n\n{}\nWe go\n\n{}\nto the moon".format(*cues)) == "Notes. We go to the moon"


@each_case(
    "text",
    [
        "At 10:30:15 sharp.",
        "Genesis (1:23) says so.",
        "12:30 was the time.",
        "9:00 Breakfast 10:00 Talk",
        "See [3:16].",
    ],
)
def test_times_that_are_said_stay(text: str) -> None:
    """A time in a sentence is part of it."""
    assert clean(text) == text


def test_noises_go_and_other_brackets_stay() -> None:
    """What the audience did is not text; what could not be understood is worth knowing."""
    raw = "Hello [laughter] there (cheers and applause) [soft music playing] ♪ (music theory) [inaudible] [Smith 1962]"
    assert clean(raw) == "Hello there (music theory) [inaudible] [Smith 1962]"


def test_lines_are_joined_and_paragraphs_and_turns_kept() -> None:
    """Blank lines and speakers' names begin paragraphs; other line ends do not."""
    raw = "One line\nand   another .\n \nNew paragraph\nJOHN KENNEDY: hi\nthere\nDr. Webb: yes , sure"
    expected = "One line and another.\n\nNew paragraph\n\nJOHN KENNEDY: hi there\n\nDr. Webb: yes, sure"
    assert clean(raw) == expected


@each_case(
    ("language", "text"),
    [
        ("de-AT", "Er ging, ähm, um das das Haus."),
        ("pt", "É um um livro, hmm, bom."),
        (None, "Er ging um das Haus."),
        (None, "Det er um godt."),
        (None, "É um livro."),
    ],
)
def test_words_of_other_languages_stay(language: str | None, text: str) -> None:
    """In German and Portuguese "um" is a word; only English text loses it."""
    assert cleaned(text, language).text == text


def test_english_is_known_by_looking_at_the_text() -> None:
    """Without a language, text with the small words of English is English."""
    assert cleaned("So, um, we went to the the moon.", None).text == "So we went to the moon."
    assert cleaned(SAMPLE + "\n\nUh, and so on.", None).text.endswith("And so on.")


def test_lines_of_scripts_without_spaces_are_joined_without_one() -> None:
    """Chinese, Japanese and Thai put no space between words; Korean does."""
    assert clean("今天我们\n看河流，\nそして\n海") == "今天我们看河流，そして海"
    assert clean("안녕\n세계") == "안녕 세계"


def test_markup_goes_and_tags_that_are_talked_about_stay() -> None:
    """Tags that open and close are markup; a lone one is a word."""
    assert clean("<i>We</i> go <00:00:01.500>to {\\an8}it") == "We go to it"
    assert clean("Write <b> before it.") == "Write <b> before it."


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


def test_a_long_row_of_times_goes_in_reasonable_time() -> None:
    """A line that begins with thousands of times takes no minutes."""
    assert clean("0:01 0:02 " * 2000 + "so it begins") == "so it begins"
    assert clean("00:00:01 " * 2000 + "00:00:01,000 --> 00:00:02,000\nSo it begins") == "So it begins"
    assert clean("[0:01] [0:02] " * 2000 + "so it begins") == "so it begins"


def test_the_empty_fields_of_a_pasted_table_go_in_reasonable_time() -> None:
    """A line that begins with thousands of commas or semicolons takes no minutes."""
    assert clean("Well,\n\n" + ",;, " * 2000 + "so it begins") == "Well,\n\nso it begins"


@pytest.mark.slow
def test_a_long_run_of_anything_is_cleaned_in_reasonable_time() -> None:
    """No rule looks at the rest of the text for each character (a hang here would be one that does)."""
    for fragment in (" ", "\n", "[", "um ", ", ", "the ", "1\n", "a-", "laughter ", "(laughter ", ". "):
        clean(fragment * 20_000)
