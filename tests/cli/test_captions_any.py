"""Whatever a caption file looks like: each word is read once, or the file is refused; and other writers' files are read."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.transcripts.reading.ass import read_ass
from checkpoint_store.cli.transcripts.reading.cue import BadLineError
from checkpoint_store.cli.transcripts.reading.json_file import read_json
from checkpoint_store.cli.transcripts.reading.lrc import read_lrc, read_whisper_text
from checkpoint_store.cli.transcripts.reading.speech import speech
from checkpoint_store.cli.transcripts.reading.srt import read_sbv, read_srt
from checkpoint_store.cli.transcripts.reading.table import read_csv, read_tsv
from checkpoint_store.cli.transcripts.reading.timed_text import without_time_lines
from checkpoint_store.cli.transcripts.reading.ttml import read_ttml
from checkpoint_store.cli.transcripts.reading.webvtt import read_webvtt

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.transcripts.reading.cue import Cue

READERS = {"srt": read_srt, "vtt": read_webvtt, "sbv": read_sbv, "ass": read_ass, "ttml": read_ttml}
TIMES = [
    "00:00:01,000 --> 00:00:02,000", "00:00:05.000 --> 00:00:07.000 align:start", "01:00 --> 02:00", "0:00:01.000,0:00:03.000",
    "00:00:03:000 -> 00:00:05:000", "00:00:O3,000 --> 00:00:05,000", "-->", "00:00:03,000 -->", "x --> y",
]  # fmt: skip
MARKUP = [
    "<i>",
    "</i>",
    "<00:00:01.500>",
    "<v Ana>",
    "</v>",
    "<c.red>",
    "{\\an8}",
    "&amp;",
    "<b and c>",
    "- ",
    ">> ",
    "Ana: ",
    " ",
]

JSON_NAMES = [
    "segments", "text", "start", "end", "chunks", "transcription", "offsets", "timestamp", "speaker", "speakers", "id", "name",
    "results", "channels", "alternatives", "words", "items", "speaker_labels", "start_time", "tStartMs", "duration", "type",
]  # fmt: skip

# A line of words, "#" each; every "#" becomes another word.
LINES = st.lists(st.sampled_from(["# ", "#", *MARKUP]), min_size=1, max_size=6).map("".join)
SOUP = st.lists(st.one_of(LINES, st.just(""), st.sampled_from(TIMES), st.sampled_from(["1", "2", "42"])), max_size=25)


def said_or_refusal(read: Callable[[str], list[Cue]], text: str) -> str | BadLineError:
    """Return what is said in a text, or why the reader refuses it."""
    try:
        return speech(read(text), shows_again=read in READERS.values())
    except BadLineError as error:
        return error


@given(SOUP)
def test_every_word_of_a_soup_of_lines_is_read_once(soup: list[str]) -> None:
    """Each word of any mixture of caption lines is read once, or the file is refused with an existing line."""
    numbers = itertools.count()
    text = re.sub("#", lambda _: f" word{next(numbers)}z ", "\n".join(["00:00:00,000 --> 00:00:01,000", *soup]))
    words = re.findall(r"word\d+z", text)
    said = said_or_refusal(read_srt, text)
    if isinstance(said, BadLineError):
        assert 1 < said.line_number <= len(text.split("\n"))
    else:
        assert sorted(re.findall(r"word\d+z", said)) == sorted(words)


@given(SOUP)
def test_every_word_of_webvtt_is_read_once_but_identifiers(soup: list[str]) -> None:
    """A line alone above a time line is the cue's name, by the rules of WebVTT."""
    numbers = itertools.count()
    text = "\n".join(["WEBVTT", "", "00:00:00.000 --> 00:00:01.000", *soup])
    text = re.sub("#", lambda _: f" word{next(numbers)}z ", text)
    said = said_or_refusal(read_webvtt, text)
    if isinstance(said, BadLineError):
        return
    lost = set(re.findall(r"word\d+z", text)) - set(re.findall(r"word\d+z", said))
    names = re.findall(r"(?m)^\s*\n(.*)\n.*(?:-|=)>", text)
    assert lost <= set(re.findall(r"word\d+z", " ".join(names)))
    assert len(re.findall(r"word\d+z", said)) == len(set(re.findall(r"word\d+z", said)))


@given(
    st.sampled_from(sorted(READERS)), st.text(st.sampled_from("ab<>{}\\[]\n:,.-0123 -->&;\"'/=NSRD\t"), max_size=200)
)
def test_no_text_breaks_a_reader(kind: str, text: str) -> None:
    """Any text is read as captions, or refused with a reason at a line, or as a whole (line 0)."""
    prefix = {"ass": "[Events]\n", "ttml": "<tt><body><div><p>"}.get(kind, "00:00:01.000 --> 00:00:02.000\n")
    for content in (text, prefix + text):
        said = said_or_refusal(READERS[kind], content)
        assert isinstance(said, str) or (said.reason and said.line_number >= 0)


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=3), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(JSON_NAMES), x, max_size=4)))  # fmt: skip
def test_no_document_breaks_the_reader_of_json(document: object) -> None:
    """Any JSON document is read as captions, or refused with a reason."""
    said = said_or_refusal(read_json, json.dumps(document))
    assert isinstance(said, str) or said.reason


@given(st.text(st.sampled_from("a1\t\n ,"), max_size=80))
def test_no_table_breaks_the_reader_of_tsv(text: str) -> None:
    """Any table of tab-separated values is read as captions, or refused with the line of the fault."""
    said = said_or_refusal(read_tsv, f"start\tend\ttext\n{text}")
    assert isinstance(said, str) or said.line_number > 1


@given(st.text(st.sampled_from('a1:"\t\n ,.s'), max_size=80))
def test_no_table_breaks_the_reader_of_csv(text: str) -> None:
    """Any CSV table is read as captions, or refused with the line of the fault."""
    said = said_or_refusal(read_csv, f"start,end,text\n{text}")
    assert isinstance(said, str) or said.line_number > 1


@given(st.lists(st.sampled_from(["[00:01.00]", "[100:02]", "[0.5s -> 1.0s]", "#", "# ", "\n", "\n"]), max_size=30))
def test_every_word_behind_times_in_brackets_is_read(parts: list[str]) -> None:
    """Each word behind a time in brackets is read, in lyrics as often as it is sung, and in the output of Whisper."""
    numbers = itertools.count()
    text = re.sub("#", lambda _: f"word{next(numbers)}z", "".join(["[00:00.00]", *parts]))
    sung = speech(read_lrc(text), shows_again=False)
    assert set(re.findall(r"word\d+z", sung)) == set(re.findall(r"word\d+z", text))
    said = speech(read_whisper_text(text), shows_again=False)
    assert re.findall(r"word\d+z", said) == re.findall(r"word\d+z", text)


TIME_LINES = [
    "Ana  0:01",
    "Bo (0:01):",
    "[Ana] 10:15:22",
    "0:02",
    "[00:02] ",
    "0:03 - Bo",
    "Transcribed by",
    "# at 0:04",
    "#",
]


@given(st.lists(st.sampled_from([*TIME_LINES, "", "#"]), max_size=20))
def test_every_word_of_a_text_with_times_is_read_once(lines: list[str]) -> None:
    """Whatever lines look like those of a transcript."""
    numbers = itertools.count()
    text = re.sub("#", lambda _: f"word{next(numbers)}z", "\n".join(lines))
    read = without_time_lines(text)
    assert read is None or re.findall(r"word\d+z", read) == re.findall(r"word\d+z", text)


WORD = st.text(st.sampled_from("abcdeé月"), min_size=1, max_size=6)
TALKS = st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=12)


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["srt", "vtt", "ass", "ttml"])
@given(talk=TALKS, pause_ms=st.sampled_from([0, 40, 500]))
def test_what_another_writer_wrote_is_read(kind: str, talk: list[list[str]], pause_ms: int) -> None:
    """The files of ``pysubs2``: every word in its order. Lines that repeat are numbered, so that nothing is shown again."""
    subtitles, start = pysubs2.SSAFile(), 0
    lines = [f"{' '.join(words)} w{number}" for number, words in enumerate(talk)]
    for line in lines:
        subtitles.append(pysubs2.SSAEvent(start=start, end=start + 1500, text=line.replace(" ", "\\N", 1)))
        start += 1500 + pause_ms
    said = speech(READERS[kind](subtitles.to_string(kind)), shows_again=True)
    assert "".join(said.split()) == "".join("".join(lines).split())
