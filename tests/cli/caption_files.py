"""Write caption files, and read them as the command does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, name: str, content: str | bytes, encoding: str | None = None) -> str:
    """Return what is said in a file with this name and content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(path, encoding).text


def srt(*texts: str, seconds: float = 2.0, pause: float = 0.0) -> str:
    """Return a .srt file with a cue for each text, one after the other; a negative pause makes the cues overlap."""
    cues = []
    for number, text in enumerate(texts):
        start = 1 + number * (seconds + pause)
        cues.append(f"{number + 1}\n{clock(start, ',')} --> {clock(start + seconds, ',')}\n{text}\n")
    return "\n".join(cues)


def vtt(*texts: str, seconds: float = 2.0, pause: float = 0.0) -> str:
    """Return a WebVTT file with a cue for each text."""
    cues = []
    for number, text in enumerate(texts):
        start = 1 + number * (seconds + pause)
        cues.append(f"{clock(start, '.')} --> {clock(start + seconds, '.')}\n{text}\n")
    return "\n".join(["WEBVTT\n", *cues])


def clock(seconds: float, mark: str) -> str:
    """Return ``00:00:01,500``."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
