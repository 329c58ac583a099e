"""What stands in a caption file and is no speech: the number of a cue that is cut off, ends of files, invisible signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from each_case import each_case

from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import srt, vtt

if TYPE_CHECKING:
    from pathlib import Path

TALK = "One thing. Two things."
CUES = srt("One thing.", "Two things.")
NUMBERED_VTT = CUES.replace(",", ".")


@each_case(
    ("name", "content", "words"),
    [
        ("a.srt", CUES, TALK),
        ("a.srt", CUES + "\n3", TALK),
        ("a.srt", CUES + "\n3\n\n \n", TALK),
        ("a.srt", CUES + "\n7\n", TALK + " 7"),
        ("a.srt", CUES.rstrip("\n") + "\n3\n", TALK + " 3"),
        ("a.srt", srt("Count:", "1", "2", "3"), "Count: 1 2 3"),
        ("a.vtt", f"WEBVTT\n\n{NUMBERED_VTT}\n3\n", TALK),
        ("a.vtt", f"WEBVTT\n\n{NUMBERED_VTT}\n", TALK),
        ("a.vtt", vtt("One thing.", "Two things.") + "\n3\n", TALK + " 3"),
        ("a.srt", CUES + "\x1a", TALK),
        ("a.srt", CUES + "\n3\n\x1a\n", TALK),
        ("a.srt", srt("One thing.", "\u200b", "Two things."), TALK),
        ("a.srt", srt("One thing.", "\u200e\u2060", "\u2800", "Two things."), TALK),
        ("a.vtt", vtt("One thing.", "\u00ad", "Two things."), TALK),
        ("a.srt", srt("One thing.", "…", "👍\ufe0f", "\u200fنعم"), "One thing. … 👍\ufe0f \u200fنعم"),
    ],
)
def test_only_words_are_read(tmp_path: Path, name: str, content: str, words: str) -> None:
    """The number of a cue that is cut off, the end of a file and invisible signs are no speech."""
    path = tmp_path / name
    path.write_text(content)
    assert " ".join(read_transcript(path).text.split()) == words


def test_the_end_of_file_sign_of_dos_is_no_part_of_a_text(tmp_path: Path) -> None:
    """The end-of-file sign of DOS is no part of a text, except with ``--plain-text``."""
    path = tmp_path / "a.txt"
    path.write_text("We choose to go.\n\x1a")
    assert read_transcript(path).text == "We choose to go.\n"
    assert read_transcript(path, as_plain_text=True).text.endswith("\x1a")
