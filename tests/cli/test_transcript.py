"""Reading transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.speech import speech
from checkpoint_store.cli.transcripts.reading.srt import read_srt
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript
from checkpoint_store.cli.transcripts.reading.webvtt import read_webvtt

if TYPE_CHECKING:
    from pathlib import Path

SRT = """1
00:00:00,000 --> 00:00:02,000
<i>We choose</i> to go
to the {\\an8}moon, {sic} &amp; beyond.

2
00:00:02,100 --> 00:00:04,000
1962

3
00:00:09,000 --> 00:00:10,000
- Why?
- Because it is there.
"""

VTT = """WEBVTT
Kind: captions

STYLE
::cue { color: red }

NOTE nobody says this

intro
00:00:00.000 --> 00:00:02.000 align:start
<v Roger Bingham>We are<00:00:00.500><c> in</c> New York

NOTE nor this

00:02.000 --> 00:04.000
<v Roger Bingham>City

00:00:04.000 --> 00:00:05.000
<v Neil>Indeed</v>
"""

ROLLING = """WEBVTT

00:00:00.000 --> 00:00:02.000
 
we choose

00:00:02.000 --> 00:00:02.010
we choose
 

00:00:02.010 --> 00:00:04.000
we choose
to go

00:00:04.000 --> 00:00:04.010
to go
 

00:00:04.010 --> 00:00:06.000
to go
to the moon
"""  # noqa: W293 - live captions have lines of a single space


def subtitle_text(text: str, kind: str) -> str:
    """Return what is said in subtitles."""
    return speech({"srt": read_srt, "vtt": read_webvtt}[kind](text), shows_again=True)


def test_srt_is_read_as_what_is_said() -> None:
    """Numbers, times and markup go; lines run on; a pause and a dash begin paragraphs; braces and years stay."""
    said = subtitle_text(SRT, "srt")
    assert said == "We choose to go to the moon, {sic} & beyond. 1962\n\n- Why?\n\n- Because it is there."


def test_vtt_is_read_as_what_is_said() -> None:
    """Notes, styles and cue names go; a voice is named when it changes."""
    assert subtitle_text(VTT, "vtt") == "Roger Bingham: We are in New York City\n\nNeil: Indeed"


def test_live_captions_are_read_once() -> None:
    """Lines that roll up the screen are shown three times and said once."""
    assert subtitle_text(ROLLING, "vtt") == "we choose to go to the moon"


def test_what_is_said_twice_is_read_twice() -> None:
    """Two cues with the same words are no rolling caption."""
    cue = "00:00:0{}.000 --> 00:00:0{}.000\nNo.\n\n"
    assert subtitle_text("WEBVTT\n\n" + cue.format(1, 2) + cue.format(2, 3), "vtt") == "No. No."


@each_case("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    """Unicode in its usual encodings is text, and any line end is one."""
    path = tmp_path / "talk.txt"
    path.write_bytes("naïve\r\nmoon\r".encode(encoding))
    assert read_transcript(path).text == "naïve\nmoon\n"


@each_case(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"caf\xe9", "is not UTF-8 text (byte 0xe9 at offset 3)"),
        (b"a\0b", "is not a text file"),
        (b"SQLite format 3\0", "is not a text file"),
        (b"\x7fELF\x02\x01\0\0\xd0\xff", "is not a text file (it has a NUL at byte 6)"),
    ],
)
def test_what_is_no_transcript_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """The message is one line, names the file, and says what is wrong with it."""
    path = tmp_path / "talk.txt"
    path.write_bytes(content)
    with pytest.raises(UnreadableTranscriptError) as caught:
        read_transcript(path)
    assert str(caught.value).startswith(f"{path} {reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("talk.srt", "no cue"), ("talk.vtt", "WEBVTT\n\nNOTE nothing\n")])
def test_subtitles_without_cues_are_refused(tmp_path: Path, name: str, text: str) -> None:
    """A subtitle file in which nothing is said is an error, not an empty job."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableTranscriptError, match="has no subtitles in it"):
        read_transcript(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """A folder and a missing file are refused as transcripts."""
    with pytest.raises(UnreadableTranscriptError, match="no such file"):
        read_transcript(tmp_path / "missing.txt")
    with pytest.raises(UnreadableTranscriptError, match=r"not a regular file; .* or - to read standard input"):
        read_transcript(tmp_path)
