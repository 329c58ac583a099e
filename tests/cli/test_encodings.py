"""Text in other encodings is read if they are named, and never guessed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError

from .caption_files import read, srt

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Folder

TALKS = [
    ("cp1252", "Das Café ist schön, naïve Mädchen überqueren die Straße."),
    ("cp1251", "Сегодня мы смотрим на реки и на их истоки."),
    ("cp932", "今日は川を見ます。"),
    ("gb18030", "今天我们看河流和它们的源头。"),
    ("cp1250", "Zażółć gęślą jaźń, a potem płyniemy dalej."),
    ("koi8-r", "Сегодня мы смотрим на реки и на их истоки."),
    ("cp949", "오늘은 강을 봅니다."),
    ("iso8859-2", "Žluťoučký kůň šel domů, ale přišel déšť."),
    ("iso8859-5", "Сегодня мы смотрим на реки и на их истоки."),
    ("cp852", "Žluťoučký kůň šel domů, ale přišel déšť."),
]
FRENCH = "L\u2019été était déjà là, “oui” — ça va très bien aujourd\u2019hui."
SHORT_FRENCH = "Déjà l\u2019été."


@each_case(("encoding", "words"), [*TALKS, ("cp1252", FRENCH), ("cp1252", SHORT_FRENCH), ("mac-roman", FRENCH)])
def test_a_refusal_names_the_likely_encodings_with_a_line_of_each(tmp_path: Path, encoding: str, words: str) -> None:
    """A person sees which one is right; every encoding that is offered can be given back."""
    content = srt("One.", words).encode(encoding)
    with pytest.raises(
        UnreadableTranscriptError, match=r"is not UTF-8 text \(byte 0x.. at offset [\d,]+\) in line 7"
    ) as refused:
        read(tmp_path, "a.srt", content)
    offered = dict(re.findall(r"([\w-]+) reads '([^']*)'", str(refused.value)))
    assert offered[encoding] == words
    assert read(tmp_path, "a.srt", content, encoding) == f"One. {words}"
    for name in offered:
        assert read(tmp_path, "a.srt", content, name).startswith("One. ")


@each_case("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_more_than_the_option(tmp_path: Path, encoding: str) -> None:
    """A file with a byte order mark is read by its mark, so a call with --encoding reads files of both kinds."""
    assert read(tmp_path, "a.srt", srt("naïve").encode(encoding), "cp1251") == "naïve"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_offered(tmp_path: Path, encoding: str) -> None:
    """A file with a NUL is no text, but for these two kinds."""
    content = srt("One.").encode(encoding)
    with pytest.raises(UnreadableTranscriptError, match=rf"NUL.*--encoding: {encoding} reads '1'"):
        read(tmp_path, "a.srt", content)
    assert read(tmp_path, "a.srt", content, encoding) == "One."
    with pytest.raises(UnreadableTranscriptError, match=rf"NUL at byte .*--encoding: {encoding} reads 'naïve'"):
        read(tmp_path, "a.txt", "naïve\n".encode(encoding))


def test_xml_names_its_own_encoding(tmp_path: Path) -> None:
    """The declaration is part of the format."""
    content = '<?xml version="1.0" encoding="iso-8859-1"?><tt><body><div><p begin="1s">naïve</p></div></body></tt>'
    assert read(tmp_path, "a.dfxp", content.encode("latin-1")) == "naïve"


def test_the_command_takes_an_encoding(folder: Folder) -> None:
    """``--encoding`` is for each FILE; without it nothing is begun, and with it the text is UTF-8."""
    (folder.path / "talk.srt").write_bytes(srt("Das Café.").encode("cp1252"))
    refused = folder.run("run", "talk.srt", "--", "cat", code=2)
    assert "--encoding: cp1252 reads 'Das Café.'" in refused.stderr
    assert folder.files() == {"talk.srt"}
    folder.run("run", "talk.srt", "--encoding", "cp1252", "--", "cat")
    assert folder.read("talk.cleaned.txt") == "Das Café.\n"


@each_case("name", ["klingon", "rot13", "hex", "punycode", "IDNA", ""])
def test_what_is_no_encoding_of_text_is_refused(folder: Folder, name: str) -> None:
    """The message names it, and nothing is begun."""
    folder.write("talk.txt", "hello")
    assert "no encoding of text" in folder.run("run", "talk.txt", "--encoding", name, code=2).stderr
    assert folder.files() == {"talk.txt"}


def test_half_a_character_is_refused_where_it_stands(folder: Folder) -> None:
    """A recognizer cut a character in two: the message names the file, and blames no terminal; nothing is paid for."""
    segment = {"start": 0, "end": 1, "text": "Hello \ud83d there."}
    folder.write("talk.json", json.dumps({"text": segment["text"], "segments": [segment]}))
    refused = folder.run("run", "talk.json", "--", "cat", code=2)
    assert r"talk.json has '\ud83d' in it, half of a character" in refused.stderr
    assert "PYTHONIOENCODING" not in refused.stderr
    assert [path.name for path in folder.path.iterdir()] == ["talk.json"]


def test_the_quotes_of_a_word_processor_are_offered_first(folder: Folder) -> None:
    """The only character that tells stands far behind the beginning, in a long line."""
    (folder.path / "a.txt").write_bytes(b"Plain words. " * 8000 + "It\u2019s late.".encode("cp1252"))
    said = folder.run("run", "a.txt", code=2).stderr
    assert re.search(r"--encoding: cp1252 reads '[^']+It\u2019s late\.'", said)


@pytest.mark.parametrize("rest", [b"\xc3", b"\xf6\n"], ids=["cut off", "a byte of another encoding"])
def test_utf_8_that_is_damaged_in_one_place_is_offered_no_other_encoding(folder: Folder, rest: bytes) -> None:
    """Another encoding would read every other character wrong, and each chunk would be paid for with them."""
    (folder.path / "a.txt").write_bytes("Größe\nFluss, ".encode() + rest)
    said = folder.run("run", "a.txt", code=2).stderr
    assert "in line 2, and most of its characters are UTF-8: it is damaged or cut off there; mend that line" in said
    assert "--encoding" not in said
