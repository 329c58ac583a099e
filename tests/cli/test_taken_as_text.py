"""What is refused, or is prose: the text as it is has all words, and a way to it is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

if TYPE_CHECKING:
    from pathlib import Path


@each_case(
    ("name", "text"),
    [
        ("talk.xml", "<?xml version='1.0'?><a>word</a>"),
        ("talk.txt", "<transcript><text start='1'>word</text></transcript>"),
        ("talk.csv", "start,end,text\n,,word\n"),
        ("talk.txt", "1.0\t2.0\tword\n1.0\t2.0\tword\nword\n"),
        ("talk.lrc", "[ar:Ana]\n"),
        ("talk.stl", "word"),
        ("talk.cap", "word"),
        ("talk.sub", "word"),
        ("talk.rt", "word"),
        ("talk.idx", "word"),
        ("talk.txt", 'File type = "ooTextFile"\nword\n'),
        ("talk.txt", "[information]\nword\n"),
        ("talk.json", '{"a": "word"}'),
        ("talk.json", '{"text": "word"'),
        ("talk.html", "<html>word</html>"),
        ("talk.srt", "1\n00:00:O1,000 --> 00:00:02,000\nword\n"),
    ],
)
def test_each_refusal_of_a_text_names_the_way_to_take_it_as_it_is(tmp_path: Path, name: str, text: str) -> None:
    """Who has such a text, and a job of it by an earlier version, goes on with ``--plain-text``."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(UnreadableTranscriptError, match=r"text as it is.* --plain-text$"):
        read_transcript(path)
    assert read_transcript(path, as_plain_text=True).text == text


@each_case(
    "text",
    [
        "[ar: the argument]\nThis is prose.\nIt has many lines.\n[00:05] is one of its times.\nIt goes on.\n",
        "The log of today.\n[0:05 -> 0:10] was the worst of it.\nThen it was over.\nNobody was hurt.\n",
        "[00:05 -> 00:10] was the worst of it.\nThen it was over.\n",
    ],
)
def test_prose_with_a_time_in_brackets_keeps_its_words(tmp_path: Path, text: str) -> None:
    """A time in a line does not make a text lyrics, or what Whisper prints."""
    path = tmp_path / "notes.txt"
    path.write_text(text, "utf-8")
    assert read_transcript(path).text == text


@pytest.mark.parametrize("key", ["segments", "chunks"])
def test_turns_that_differ_from_the_text_are_left_out(tmp_path: Path, key: str) -> None:
    """A file that an earlier version read by its segments is read by them: its job goes on."""
    segments = [{"text": "One two.", "start": 0, "end": 1, "timestamp": [0, 1]}]
    document = {"text": "One two.", key: segments, "speakers": [{"speaker": "Ana", "text": "One three."}]}
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(document), "utf-8")
    assert (read_transcript(path).text, read_transcript(path).reader) == ("One two.", "JSON 2")
