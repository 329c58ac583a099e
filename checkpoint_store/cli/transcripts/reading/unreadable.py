"""The refusal of a file that holds no transcript, and the kinds of files that are known by their first bytes."""

from __future__ import annotations

import re
from typing import Final


class UnreadableTranscriptError(Exception):
    """A file holds no transcript; the message names the file, and what to do with it."""


_OFFICE: Final = (
    "is a Word, OpenDocument or ZIP file; save it as plain text first, e.g. pandoc {name} -t plain -o talk.txt"
)
_MEDIA: Final = "is a recording; transcribe it first, e.g. whisper {name}"
_HTML: Final = "is a web page; save its text first, e.g. pandoc {name} -t plain -o talk.txt"
_MAGIC: Final = (
    (b"%PDF-", "is a PDF; extract its text first, e.g. pdftotext {name} talk.txt"),
    (b"PK\x03\x04", _OFFICE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Word file; save it as plain text first"),
    (b"{\\rtf", "is an RTF file; save it as plain text first, e.g. pandoc {name} -t plain -o talk.txt"),
    (b"\x1f\x8b", "is a compressed file; unpack it first, e.g. gunzip {name}"),
    (b"ID3", _MEDIA),
    (b"RIFF", _MEDIA),
    (b"OggS", _MEDIA),
    (b"fLaC", _MEDIA),
    (b"\x1aE\xdf\xa3", _MEDIA),
)
_MP4: Final = re.compile(rb"....ftyp", re.DOTALL)
_MARKED_UP: Final = re.compile(
    r"(?is)\s*(?:<\?xml(?:(?!\?>).)*\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<!?(doctype\s+html|html|head|body|sami)\b"
)
_XML: Final = re.compile(r"\s*<(?:\?xml\b|(?:transcript|timedtext)(?:\s[^<>]*)?>)")  # the latter are YouTube's
_FRAMES: Final = re.compile(r"\s*\{\d+\}\{\d*\}|\s*\[\d+\]\[\d*\]")
_SUBVIEWER: Final = re.compile(r"(?i)\s*\[(?:information|subtitle)\]\s*\n")
_PRAAT: Final = 'File type = "ooTextFile'
_SCC: Final = "Scenarist_SCC"
_OTHER_CAPTIONS: Final = "; convert it first, e.g. ffmpeg -i {name} talk.srt"
_CAPTION_SUFFIXES: Final = (
    *(".aqt", ".cap", ".idx", ".jss", ".mcc", ".mpl", ".mpsub", ".pjs", ".rt", ".sami", ".scc", ".smi", ".stl", ".sub"),
    *(".sup", ".usf"),
)
_BY_SUFFIX: Final = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), _HTML),
    **dict.fromkeys(_CAPTION_SUFFIXES, f"has captions of a kind that is not read{_OTHER_CAPTIONS}"),
}


def other_kind(data: bytes) -> str | None:
    """Return what a file of another kind is, and the way out; None if its first bytes do not tell."""
    if _MP4.match(data):
        return _MEDIA
    return next((what for magic, what in _MAGIC if data.lstrip(b"\r\n\t ").startswith(magic)), None)


def other_text_kind(text: str, suffix: str) -> str | None:
    """Return what a text of another kind is, and the way out; None if it may be a transcript."""
    markup = _MARKED_UP.match(text)
    if markup and markup[1].lower() == "sami":
        return f"has SAMI captions{_OTHER_CAPTIONS}"
    if markup:
        return _HTML
    if _XML.match(text):
        return "is XML of another kind; its transcript must be TTML, or saved as plain text first"
    if text.startswith(_PRAAT):
        return "is a TextGrid of Praat; save the text of its intervals first"
    if _FRAMES.match(text) or _SUBVIEWER.match(text) or text.startswith(_SCC):
        return f"has MicroDVD, MPL2, SubViewer or SCC captions{_OTHER_CAPTIONS}"
    return _BY_SUFFIX.get(suffix)
