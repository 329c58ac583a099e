"""Caption files as the tools in use write them: what is paid for is what is said, each word once and in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import read, vtt

FILES = Path(__file__).parent / "captions" / "tools"
PARTS = "The first part begins. The first part ends. The second part begins. The second part ends."
SAID = {
    "aegisub.ass": "First, second and third",
    "aws_transcribe.vtt": "spk_0: Hello. spk_1: Hi.",
    "blank_cues.srt": "Only this is said.",
    "by_hand.srt": "Tabbed text. No spaces at the arrow. Short digits.",
    "descript.srt": "[Ana:] Welcome to the show. [Bo:] Thanks for having me.",
    "hls_segments.vtt": "First segment. Second segment.",
    "hundred_hours.srt": "A hundred hours in. Still recording.",
    "netflix.ttml": "Look there and here.",
    "otter.srt": "Speaker 1: Let us begin with the budget. It is 12:30 now. Speaker 2: Fine with me.",
    "out_of_order.srt": "This comes first and that comes second.",
    "overlapping.vtt": "- Where were you? - At home.",
    "premiere.srt": "On the river bank Narrator speaks softly",
    "rev.vtt": "R&D <team> says hi there [laughs] OK merci",
    "teams.vtt": "Costa, Ana (External): Good morning, and welcome. Li, Bo: Thank you.",
    "two_parts.srt": PARTS,
    "two_parts.vtt": PARTS,
    "whisperx.json": "SPEAKER_00: It costs 12 euros. SPEAKER_01: Really?",
    "youtube.sbv": "Hello there 1,000 people,",
    "youtube_auto.srt": "okay so today we're going to talk about rivers and lakes and",
    "youtube_auto.vtt": "okay so today we're going to talk about rivers and lakes [Music]",
    "yt_dlp.srt": "okay so today we're going to talk about rivers and lakes",
    "zoom.vtt": "Ana Costa: Can everybody hear me? Bo Li: Yes, we can. And we see the slides. Ana Costa: Good.",
}


def words(text: str) -> str:
    """The text in one line."""
    return " ".join(text.split())


def test_every_file_is_read() -> None:
    """Each file of the folder has a text below."""
    assert {path.name for path in FILES.iterdir()} == SAID.keys()


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_is_read_once(name: str) -> None:
    """No number, time, header or markup is paid for, and no word is lost."""
    assert words(read_transcript(FILES / name).text) == SAID[name]


@pytest.mark.parametrize("line_end", ["\r\n", "\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_encodings_change_nothing(tmp_path: Path, encoding: str, line_end: str) -> None:
    """Whatever system a file comes from."""
    for name, said in SAID.items():
        if not name.endswith((".json", ".ttml")):
            content = (FILES / name).read_text("utf-8").replace("\n", line_end).encode(encoding)
            assert words(read(tmp_path, name, content)) == said, name


def test_a_second_number_one_alone_does_not_change_the_order(tmp_path: Path) -> None:
    """Where the times go on, a file whose cues all have the same number is read by its times."""
    file = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n1\n00:00:03,000 --> 00:00:04,000\nTwo.\n\n"
    assert read(tmp_path, "a.srt", file) == "One. Two."


def test_somebody_says_webvtt(tmp_path: Path) -> None:
    """The name of the format is a word in a cue, and a header only where the lines of one follow it."""
    assert words(read(tmp_path, "a.vtt", vtt("This is\nWEBVTT\nexplained."))) == "This is WEBVTT explained."
