"""Read the bytes of a file as text, or refuse it: byte order mark, ``--encoding``, UTF-8, or what is likely."""

from __future__ import annotations

import codecs
import re
import stat
import sys
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final

from charset_normalizer import from_bytes

from checkpoint_store.cli.paths import STANDARD, as_argument, input_text, shell_words

if TYPE_CHECKING:
    from pathlib import Path


class UnreadableTranscriptError(Exception):
    """A file holds no transcript; the message names the file, and what to do with it."""


_OFFICE: Final = (
    "is a Word, OpenDocument or ZIP file; save it as plain text first, e.g. pandoc {name} -t plain -o talk.txt, or "
    "unpack it with unzip {name}"
)
_COMPRESSED: Final = "is a compressed file; unpack it first, e.g."
_MEDIA: Final = "is a recording; transcribe it first, e.g. whisper {name}"
_HTML: Final = "is a web page; save its text first, e.g. pandoc {name} -t plain -o talk.txt"
_OTHER_XML: Final = "is XML of another kind; its transcript must be TTML, or saved as plain text first"
_MAGIC: Final = (
    (b"%PDF-", "is a PDF; extract its text first, e.g. pdftotext {name} talk.txt"),
    (b"PK\x03\x04", _OFFICE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Word file; save it as plain text first"),
    (b"{\\rtf", "is an RTF file; save it as plain text first, e.g. pandoc {name} -t plain -o talk.txt"),
    (b"\x1f\x8b", f"{_COMPRESSED} gunzip {{name}}"),
    (b"BZh91AY&SY", f"{_COMPRESSED} bunzip2 {{name}}"),
    (b"\xfd7zXZ\0", f"{_COMPRESSED} unxz {{name}}"),
    (b"\x28\xb5\x2f\xfd", f"{_COMPRESSED} unzstd {{name}}"),
    (b"7z\xbc\xaf\x27\x1c", f"{_COMPRESSED} 7z x {{name}}"),
    (b"Rar!\x1a\x07", f"{_COMPRESSED} unrar x {{name}}"),
    (b"ID3", _MEDIA),
    (b"RIFF", _MEDIA),
    (b"OggS", _MEDIA),
    (b"fLaC", _MEDIA),
    (b"\x1aE\xdf\xa3", _MEDIA),
)
_MP4: Final = re.compile(rb"....ftyp", re.DOTALL)
_EBU_STL: Final = re.compile(rb"\d{3}STL\d\d\.\d\d")
_MARKED_UP: Final = re.compile(
    r"(?is)\s*(?:<\?xml(?:(?!\?>).)*\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<!?(doctype\s+html|html|head|body|sami)\b"
)
_IN_AN_EDITOR: Final = "; save it as .srt first, in an editor for subtitles"
_OTHER_CAPTIONS: Final = "; convert it first, e.g. ffmpeg -i {name} talk.srt"
_OTHER_TEXTS: Final = (
    (re.compile(r"\s*<(?:\?xml\b|(?:transcript|timedtext)(?:\s[^<>]*)?>)"), _OTHER_XML),  # the latter are YouTube's
    (re.compile('File type = "ooTextFile'), "is a TextGrid of Praat; save the text of its intervals first"),
    (re.compile(r"(?:\s|@.*\n)*<begin subtitles>"), f"has Avid captions{_IN_AN_EDITOR}"),
    (re.compile(r"\s*\{\d+\}\{\d*\}"), f"has MicroDVD captions{_OTHER_CAPTIONS}"),
    (re.compile(r"\s*\[\d+\]\[\d*\]"), f"has MPL2 captions{_OTHER_CAPTIONS}"),
    (re.compile(r"(?i)\s*\[(?:information|subtitle)\]\s*\n"), f"has SubViewer captions{_OTHER_CAPTIONS}"),
    (re.compile(r"\s*(?:\d{1,2}:[0-5]\d:[0-5]\d[:=](?!\d).*\n\s*){2}"), f"has TMPlayer captions{_OTHER_CAPTIONS}"),
    (re.compile("Scenarist_SCC"), f"has SCC captions{_OTHER_CAPTIONS}"),
)
_CAPTION_SUFFIXES: Final = (
    *(".aqt", ".cap", ".idx", ".jss", ".mcc", ".mpl", ".mpsub", ".pjs", ".rt", ".sami", ".scc", ".smi", ".stl", ".sub"),
    *(".sup", ".usf"),
)
_BY_SUFFIX: Final = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), _HTML),
    ".xml": _OTHER_XML,
    **dict.fromkeys(_CAPTION_SUFFIXES, f"has captions of a kind that is not read{_OTHER_CAPTIONS}"),
}


def other_kind(data: bytes) -> str | None:
    """Return what a file of another kind is, and the way out; None if its first bytes do not tell."""
    if _MP4.match(data):
        return _MEDIA
    if _EBU_STL.match(data):
        return f"has EBU STL captions{_IN_AN_EDITOR}"
    return next((what for magic, what in _MAGIC if data.lstrip(b"\r\n\t ").startswith(magic)), None)


def other_text_kind(text: str, suffix: str) -> str | None:
    """Return what a text of another kind is, and the way out; None if it may be a transcript."""
    markup = _MARKED_UP.match(text)
    if markup and markup[1].lower() == "sami":
        return f"has SAMI captions{_OTHER_CAPTIONS}"
    if markup:
        return _HTML
    return next((what for form, what in _OTHER_TEXTS if form.match(text)), _BY_SUFFIX.get(suffix))


_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*\sencoding=[\"']([\w.:-]+)[\"']")
_IN_USE: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "koi8_r", "cp866", "mac_roman"),
    *("iso8859_2", "iso8859_5", "cp852", "cp850"),  # subtitles of the years before UTF-8
)
"""The encodings that texts have, the commonest of each region first; those of mainframes are no help to choose from."""
_LIKELY_MAX: Final = 5
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_SPEECH: Final = re.compile("[\x20-\x7e‘’“”–—…]+")
"""English with the quotes and dashes of a word processor: whoever reads a line so reads it right."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_OTHER_ALPHABETS: Final = frozenset({"CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI"})
_SAMPLE_LENGTH: Final = 60
_SAMPLED_BYTES: Final = 65_536
_MESS_MAX: Final = 0.5
"""The share of odd signs that a part of the file may have; the apostrophes of a typesetter count as odd."""


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return the text of a file (``-`` is standard input) as it is, but its lines end with a line feed.

    ``encoding`` is that of a file without a byte order mark; UTF-8 if None. :class:`UnreadableTranscriptError` if the
    file does not exist, is no text, or has another encoding.
    """
    data = _bytes_of(path)
    what = other_kind(data)
    if what is not None:
        raise UnreadableTranscriptError(f"{input_text(path)} {what.format(name=shell_words([as_argument(path)]))}")
    text = _decoded(path, data, encoding).replace("\r\r\n", "\n")  # Windows writes it for the CRLF of a text
    return text.replace("\r\n", "\n").replace("\r", "\n")


_OF_HOSTS: Final = frozenset({"idna", "punycode"})
"""Encodings for the names of hosts alone: bytes that are no such name raise errors of any kind."""


def is_text_encoding(name: str) -> bool:
    """Return whether ``name`` is an encoding of text that Python knows."""
    try:
        "a".encode(name)  # an empty text would not look the name up
    except (LookupError, ValueError):
        return False
    return codecs.lookup(name).name not in _OF_HOSTS


def _bytes_of(path: Path) -> bytes:
    try:
        if path == STANDARD:
            if sys.stdin is None:
                raise UnreadableTranscriptError("standard input cannot be read: it is closed")
            return sys.stdin.buffer.read()
        if not stat.S_ISREG(path.stat().st_mode):
            way_out = "give a text or a caption file, or - to read standard input"
            raise UnreadableTranscriptError(f"{input_text(path)} is not a regular file; {way_out}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableTranscriptError(f"{input_text(path)}: no such file") from error
    except OSError as error:
        raise UnreadableTranscriptError(f"{input_text(path)} cannot be read: {error.strerror}") from error


def _decoded(path: Path, data: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    declared = _XML_ENCODING.match(data)
    named = declared[1].decode("ascii") if declared else ""
    used = marked or encoding or (named if named and is_text_encoding(named) else "utf-8")
    try:
        text = data.decode(used)
    except UnicodeDecodeError as error:
        if b"\0" in data and encoding is None and marked is None:  # an encoding cannot help: it is no text
            raise UnreadableTranscriptError(_no_text(path, data, f"byte {data.index(0):,}")) from error
        raise UnreadableTranscriptError(_refusal(path, data, used, error)) from error
    if "\0" in text:
        raise UnreadableTranscriptError(_no_text(path, data, f"character {text.index(chr(0)):,}"))
    return text


def _no_text(path: Path, data: bytes, place: str) -> str:
    """Return the message for a file with a NUL; UTF-16 without a byte order mark has a NUL beside each ASCII letter."""
    name = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    likely = [(name, line)] if b"\0" in data[:2] and (line := _telling_line(data, name)) else []
    return f"{input_text(path)} is not a text file (it has a NUL at {place})" + (_choices(likely) if likely else "")


def _refusal(path: Path, data: bytes, used: str, error: UnicodeDecodeError) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    byte = data[error.start : error.start + 1].hex()
    what = f"{input_text(path)} is not {used.upper()} text (byte 0x{byte} at offset {error.start:,}) in line {line:,}"
    if used == "utf-8" and _is_damaged_utf_8(data):
        return f"{what}, and most of its characters are UTF-8: it is damaged or cut off there; mend that line"
    return what + _choices(_likely(data))


def _is_damaged_utf_8(data: bytes) -> bool:
    """Return whether most characters that are not ASCII are UTF-8, which chance never makes; half if it is cut off."""
    text = data.decode("utf-8", "replace")
    others = Counter(character == "\ufffd" for character in text if not character.isascii())
    return others[False] + text.endswith("\ufffd") > others[True]


def _choices(likely: list[tuple[str, str]]) -> str:
    if not likely:
        return "; name its encoding with --encoding"
    choices = ", ".join(f"{name} reads {line!r}" for name, line in likely)
    return f"; name its encoding with --encoding: {choices}"


def _likely(data: bytes) -> list[tuple[str, str]]:
    """Return the likely encodings, the likeliest first, each with the first line that is not ASCII in it."""
    names: dict[str, str] = {}
    telling = _NOT_ASCII.search(data)
    start = max(0, telling.start() - _SAMPLED_BYTES // 2) if telling else 0
    sample = data[start : start + _SAMPLED_BYTES]
    for match in from_bytes(sample, cp_isolation=list(_IN_USE), threshold=_MESS_MAX):
        line = _telling_line(data, match.encoding)
        if line is not None:
            same = {*match.could_be_from_charset, names.get(line, match.encoding)}
            names[line] = min(same & set(_IN_USE), key=_IN_USE.index)
    likely = sorted(names.items(), key=lambda item: (_SPEECH.fullmatch(item[0]) is None, _mixes_alphabets(item[0])))
    return [(name.replace("_", "-"), line) for line, name in likely][:_LIKELY_MAX]


def _mixes_alphabets(line: str) -> bool:
    """Return whether a word of a line has Latin letters and those of another alphabet, as no word of a language has."""
    words = ({unicodedata.name(letter, "").split(" ")[0] for letter in word} for word in _WORD.findall(line))
    return any("LATIN" in alphabets and not alphabets.isdisjoint(_OTHER_ALPHABETS) for alphabets in words)


def _telling_line(data: bytes, encoding: str) -> str | None:
    """Return the first line that is not ASCII, else the first; None if the encoding cannot decode the file."""
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError):
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    line = next((line for line in lines if not line.isascii()), lines[0])
    place = next((index for index, character in enumerate(line) if not character.isascii()), 0)
    start = place - _SAMPLE_LENGTH // 2 if place > _SAMPLE_LENGTH * 3 // 4 else 0
    return line[start : start + _SAMPLE_LENGTH]
