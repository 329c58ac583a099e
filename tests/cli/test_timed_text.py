"""Plain text with a time above each turn, tables with times, and lyrics: the times go, and all words stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from each_case import each_case

from .caption_files import read

if TYPE_CHECKING:
    from pathlib import Path


def test_only_the_times_go(tmp_path: Path) -> None:
    """Lines and paragraphs stay; the name of a speaker stands before the words."""
    text = "Ana Costa  0:00  \nWe begin\nwith rivers.\n\nThen hills.\n\nBo Li  0:09  \nFine.\n"
    said = "Ana Costa: We begin\nwith rivers.\n\nThen hills.\n\nBo Li: Fine.\n"
    assert read(tmp_path, "a.txt", text) == said


@each_case(
    "text",
    [
        "9:00 - Breakfast\nin the hall\n\n12:30 - Lunch\nin the garden\n",
        "Breakfast  9:00\nin the hall\n\nLunch  12:30\nin the garden\n",
        "Ana  0:45\nBo  0:52\nCy  0:58\n",
        "0:00 The river\n3:10 The hills\n",
        "0:00 Part 1: The river\n3:10 Part 2: The hills\n",
        "0:00 Sponsor: A river\n3:10 The hills\n5:20 Sponsor: The sea\n",
        "Ana Costa  0:00\nWe begin.\n",
        "Ana Costa  0:09\nWe begin.\n\nBo Li  0:05\nFine.\n",
        "We met at 0:10\nand went on.\nWe rested at 0:20\nor so.\n",
    ],
)
def test_text_that_is_no_transcript_stays_as_it_is(tmp_path: Path, text: str) -> None:
    """A programme, results, chapters, a single time, times that go back, sentences that end with a time."""
    assert read(tmp_path, "a.txt", text) == text


@each_case(
    "text",
    [
        "Ana Costa (00:05): We begin.\nBo (00:09): Fine.\n\nAna Costa (00:12): Good (at 0:10): 2.",
        "Ana Costa [00:05 - 00:07]: We begin.\nBo [00:09 --> 00:11]: Fine.\n\nAna Costa [0:12 - 0:13]: Good (at 0:10): 2.",
    ],
)
def test_a_time_between_a_speaker_and_the_words_goes(tmp_path: Path, text: str) -> None:
    """The time, or two times, stand in brackets behind the name; a time in brackets within the words stays."""
    said = "Ana Costa: We begin.\nBo: Fine.\n\nAna Costa: Good (at 0:10): 2."
    assert read(tmp_path, "a.txt", text) == said


def test_a_time_before_a_speaker_goes(tmp_path: Path) -> None:
    """A time without brackets before a speaker is removed."""
    lines = ["0:00 Ana: We begin.", "0:05 Bo: Fine.", "", "0:09 Ana: Good."]
    assert read(tmp_path, "a.txt", "\n".join(lines)) == "Ana: We begin.\nBo: Fine.\n\nAna: Good."


@each_case(
    "text",
    [
        "00:00:03:12 - 00:00:05:00\nAna\nWe begin.\n\n00:00:05:00 - 00:00:07:00\nBo\nFine.\n",
        "00;00;03;12 - 00;00;05;00\nAna\nWe begin.\n\n00;00;05;00 - 00;00;07;00\nBo\nFine.\n",
        "[00:00:03 - 00:00:05]\nAna\nWe begin.\n\n[00:00:05 - 00:00:07]\nBo\nFine.\n",
        "00:00:03:12\nAna\nWe begin.\n\n00:00:05:00\nBo\nFine.\n",
    ],
)
def test_times_of_an_editor_of_films_go(tmp_path: Path, text: str) -> None:
    """Premiere and its kin write one time or two times above a turn, perhaps with frames."""
    assert read(tmp_path, "a.txt", text) == "Ana\nWe begin.\n\nBo\nFine.\n"


def test_a_sentence_that_ends_with_a_time_is_no_speaker(tmp_path: Path) -> None:
    """The lines of the turns are written in the way of their program."""
    text = "Ana  0:00\nWe meet\n\nat the river at 0:05\n\nBo  0:07\nFine.\n"
    assert read(tmp_path, "a.txt", text) == "Ana: We meet\n\nat the river at 0:05\n\nBo: Fine.\n"


@each_case(
    ("table", "said"),
    [
        ("start,end,speaker,text\n0,1500,Ana,In the year\n1500,2500,Ana,1962\n5000,6000,Bo,yes\n", "Ana: In the year 1962\n\nBo: yes"),
        ("Start (s),End (s),Text\n0.0,1.5,One\n1.5,2.5,two\n9.0,9.5,three\n", "One two\n\nthree"),
        ('N, In, Out, Text\n1,"13.0","14.1","One"\n2,"14.1","15.0","two"\n', "One two"),
        ("id\tstart\tend\ttext\n1\t00:00:01.000\t00:00:02.000\tOne\n2\t00:00:02.000\t00:00:03.000\ttwo\n", "One two"),
    ],
)  # fmt: skip
def test_tables_are_read_by_their_columns(tmp_path: Path, table: str, said: str) -> None:
    """Times are milliseconds, seconds or clocks; a number in the column of the text is said."""
    assert read(tmp_path, "a.csv", table) == said


@each_case(
    ("lyrics", "said"),
    [
        ("[00:01.00]One\ntwo\n[00:03.00]three\n", "One two three"),
        ("[ti:x]\n[00:05.00]two\n[00:01.00]one\n[Chorus: all]\n", "one [Chorus: all] two"),
        ("[00:01.00]uno\n[00:01.00]one\n[00:02.00]dos\n", "uno one dos"),
        ("[00:01.00]One\n[00:02.00]\n[00:09.00]two\n", "One\n\ntwo"),
    ],
)
def test_lyrics_are_read_in_the_order_in_which_they_are_sung(tmp_path: Path, lyrics: str, said: str) -> None:
    """A line without a time belongs to the one before it; an empty one is a pause."""
    assert read(tmp_path, "a.lrc", lyrics) == said
