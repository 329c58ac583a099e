"""Caption files as the tools in use write them: what is paid for is what is said, each word once and in its order."""

from __future__ import annotations

from pathlib import Path

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import read, vtt

FILES = Path(__file__).parent / "captions" / "tools"
PARTS = "The first part begins. The first part ends. The second part begins. The second part ends."
SAID = {
    "actors.ass": "Ana: Where does it rise? Bo: In the hills, under snow. And it falls.",
    "aegisub.ass": "First, second and third",
    "apple_podcasts.ttml": "SPEAKER_1: Welcome to the river. Hello! Bo Li: Thank you.",
    "assemblyai.json": "Speaker A: Where does it rise? Speaker B: In the hills.",
    "audacity.txt": "SPEAKER_00: Where does it rise? SPEAKER_01: In the hills.",
    "aws_transcribe.json": "spk_0: Where does it rise? spk_1: In the hills.",
    "aws_transcribe.vtt": "spk_0: Hello. And welcome. spk_1: Hi.",
    "azure_batch.json": "Speaker 1: Where does it rise? Speaker 2: In the hills.",
    "azure_fast.json": "Speaker 1: Where does it rise? Speaker 2: In the hills.",
    "blank_cues.srt": "Only this is said.",
    "by_hand.srt": "Tabbed text. No spaces at the arrow. Short digits.",
    "deepgram.json": "Speaker 0: Where does it rise? Speaker 1: In the hills.",
    "descript.srt": "[Ana:] Welcome to the show. [Bo:] Thanks for having me.",
    "descript.txt": "Ana: Can everybody hear me? Bo: Yes, we can.",
    "elevenlabs.json": "speaker_0: Where does it rise? speaker_1: (laughs) In the hills.",
    "gladia.json": "Speaker 0: Where does it rise? Speaker 1: In the hills.",
    "google_meet.vtt": "Ana Costa: Let us begin with the budget, and then we look at the rivers. Bo Li: Can you hear me at all?",
    "google_speech.json": "Speaker 1: Where does it rise? Speaker 2: In the hills.",
    "happy_scribe.txt": "Speaker 1: Can everybody hear me? Speaker 2: Yes, we can.",
    "hls_segments.vtt": "First segment. Second segment.",
    "hundred_hours.srt": "A hundred hours in. Still recording.",
    "insanely_fast_whisper.json": "SPEAKER_00: Where does it rise? SPEAKER_01: In the hills.",
    "lyrics.lrc": "Down from the hills Over the stones Into the sea Up from the sea Over the stones",
    "netflix.ttml": "Look there and here.",
    "openai_words.json": "Where does it rise? In the hills.",
    "otter.srt": "Speaker 1: Let us begin with the budget. It is 12:30 now. Speaker 2: Fine with me.",
    "otter.txt": "Ana Costa: Let us begin with the budget. It is 12:30 now. Unknown Speaker: Fine with me. Ana Costa: Good.",
    "out_of_order.srt": "This comes first and that comes second.",
    "overlapping.vtt": "- Where were you? - At home.",
    "podcast.json": "Ana Costa: Where does it rise? Bo Li: In the hills.",
    "premiere.json": "Ana Costa: Where does it rise? Bo Li: In the hills.",
    "premiere.srt": "On the river bank Narrator speaks softly",
    "rev.json": "Speaker 0: Where does it rise? Speaker 1: In the hills.",
    "rev.txt": "Ana Costa: Can everybody hear me? (silence) Speaker 2: Yes, we can.",
    "rev.vtt": "R&D <team> says hi there [laughs] OK merci",
    "soniox.json": "Speaker 1: Where does it rise? Speaker 2: In the hills.",
    "speechmatics.json": "S1: Where does it rise? S2: In the hills.",
    "subtitle_edit.srt": "The upper and the lower side",
    "teams.txt": "Costa, Ana (External): Can everybody hear me? Li, Bo: Yes, we can. Li, Bo: And we see the slides.",
    "teams.vtt": "Costa, Ana (External): Good morning, and welcome. Li, Bo: Thank you.",
    "teams_graph.vtt": "Ana Costa: Where does it rise? Bo Li: In the hills.",
    "two_parts.srt": PARTS,
    "two_parts.vtt": PARTS,
    "vosk.json": "in the hills",
    "webex.vtt": "Ana Costa: Good morning, everybody. Shall we start? Bo Li & Co: Yes, please.",
    "whisper_cpp.csv": 'Where does it rise? In the "high" hills, of course.',
    "whisper_cpp.lrc": "Where does it rise? In the hills. Still there.",
    "whisper_screen.txt": "Where does it rise? In the hills.",
    "whisperx.json": "SPEAKER_00: It costs 12 euros. SPEAKER_01: Really?",
    "youtube.sbv": "Hello there 1,000 people,",
    "youtube_auto.srt": "okay so today we're going to talk about rivers and lakes and",
    "youtube_auto.vtt": "okay so today we're going to talk about rivers and lakes [Music]",
    "youtube_json3.json": "okay so today we talk about rivers [Music]",
    "youtube_page.txt": "okay so today we talk about rivers [Music]",
    "youtube_transcript_api.json": "okay so today we talk about rivers [Music]",
    "yt_dlp.srt": "okay so today we're going to talk about rivers and lakes",
    "whisper_cpp_stereo.srt": "speaker 0: Where does it rise? I ask. speaker 1: In the hills.",
    "zoom.vtt": "Ana Costa: Can everybody hear me? Bo Li: Yes, we can. And we see the slides. Ana Costa: Good.",
    "zoom_saved_captions.txt": "Ana Costa: Can everybody hear me? Bo Li: Yes, we can.",
}


def words(text: str) -> str:
    """The text in one line."""
    return " ".join(text.split())


def test_every_file_is_read() -> None:
    """The control: each file of the folder of captions has its expected text in this module."""
    assert {path.name for path in FILES.iterdir()} == SAID.keys()


@each_case("name", SAID)
def test_what_is_said_is_read_once(name: str) -> None:
    """No number, time, header or markup is paid for, and no word is lost."""
    assert words(read_transcript(FILES / name).text) == SAID[name]


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\r\r\n"], ids=["CRLF", "CR", "CRCRLF"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_encodings_change_nothing(tmp_path: Path, encoding: str, line_end: str) -> None:
    """Whatever system a file comes from, and also where its line ends were converted twice."""
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
