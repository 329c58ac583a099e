"""A file is known by its content first, and by its suffix second; what is not understood is refused with the way out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import read, srt, vtt

if TYPE_CHECKING:
    from pathlib import Path

ASS = """[Script Info]
; made by hand
Title: A talk
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
EVENT = "Dialogue: 0,0:00:{:05.2f},0:00:{:05.2f},Default,,0,0,0,,{}\n"
TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt:tt xmlns:tt="{}" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xml:lang="en">
<tt:head><tt:metadata><ttm:title>not said</ttm:title></tt:metadata></tt:head><tt:body><tt:div>
{}
</tt:div></tt:body></tt:tt>"""
TTML_2018 = "http://www.w3.org/ns/ttml"
TTML_2006 = "http://www.w3.org/2006/10/ttaf1"


def ass(*texts: str) -> str:
    """Return an .ass file with an event for each text."""
    return ASS + "".join(EVENT.format(number, number + 1, text) for number, text in enumerate(texts, start=1))


@each_case(
    ("name", "content", "reader"),
    [
        ("a.srt", vtt("hello"), "WebVTT"),
        ("a.vtt", "\ufeff" + srt("hello"), "WebVTT"),
        ("a.txt", srt("hello"), "SRT"),
        ("a.txt", "\n\n" + vtt("hello"), "WebVTT"),
        ("a.srt", ass("hello"), "ASS"),
        ("a.vtt", TTML.format(TTML_2018, '<tt:p begin="1s">hello</tt:p>'), "TTML"),
        ("a.txt", "0:00:01.000,0:00:02.000\nhello\n", "SBV"),
        ("a.txt", json.dumps({"segments": [{"start": 0, "end": 1, "text": " hello"}]}), "JSON"),
        ("a.csv", "start\tend\ttext\n0\t1000\thello\n", "TSV"),
        ("a.txt", "Start Time;End Time;Speaker;Text\n00:00:01;00:00:02;;hello\n", "CSV"),
        ("a.txt", "[ti:x]\n[00:01.00]hello\n", "LRC"),
        ("a.lrc", "[00:01.00]hello\n", "LRC"),
        ("a.log", "[00:01.000 --> 00:02.000]  hello\n", "Whisper text"),
        ("a.txt", "[0.00s -> 2.50s] hello\n", "Whisper text"),
        ("a.txt", json.dumps({"text": "hello", "segments": []}), "JSON"),
    ],
)
def test_the_content_tells_the_format(tmp_path: Path, name: str, content: str, reader: str) -> None:
    """A file with the suffix of another format is read by its own rules."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    transcript = read_transcript(path)
    assert (transcript.text, transcript.reader) == ("hello", f"{reader} 2")


@each_case("text", ["[1] Intro\nhello", "{sic} hello", "12:30 --> lunch", "1962\nwas the year", "<b>hello</b>"])
def test_plain_text_is_read_as_it_is(tmp_path: Path, text: str) -> None:
    """A bracket, a brace, a number or an arrow at the beginning make no other format."""
    assert read(tmp_path, "a.txt", text) == text


@each_case(
    ("texts", "said"),
    [
        (("One,{\\i1} two{\\i0}\\Nthree", "four\\hfive {a comment}"), "One, two three four five"),
        (("{\\p1}m 0 0 l 10 10{\\p0}One", "two {\\pos(1,2)\\k20}three"), "One two three"),
        (("One, two, three, four", "One, two, three, four"), "One, two, three, four"),
        (("{\\k20}One {\\k30}two", "C:\\temp {unclosed"), "One two C:\\temp {unclosed"),
    ],
)
def test_ass_is_read_as_what_is_shown(tmp_path: Path, texts: tuple[str, ...], said: str) -> None:
    """Override codes, comments and drawings are not said; commas are."""
    assert read(tmp_path, "a.ass", ass(*texts)) == said


def test_ass_is_read_by_its_own_columns_and_times(tmp_path: Path) -> None:
    """SubStation Alpha has other columns; events may stand in any order, and comments among them."""
    content = (
        "[Script Info]\n\n[Events]\nFormat: Marked, Start, End, Text\nComment: Marked=0,0:00:00.00,0:00:01.00,no\n"
    )
    content += "Dialogue: Marked=0,0:00:05.00,0:00:06.00,two, three\nDIALOGUE: Marked=0,0:00:03.00,0:00:05.00,one\n\n[Fonts]\nabc\n"
    assert read(tmp_path, "a.ssa", content) == "one two, three"


@each_case(
    ("event", "reason"),
    [
        ("Dialogue 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,lost", "is no event"),
        ("Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,lost", "7 fields"),
        ("Dialogue: 0,0:xx:02.00,0:00:03.00,Default,,0,0,0,,lost", "should be a time"),
        ("lost words", "is no event"),
    ],
)
def test_an_event_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, event: str, reason: str) -> None:
    """An event of .ass that cannot be read is refused with its line, instead of being dropped in silence."""
    with pytest.raises(UnreadableTranscriptError, match=rf"a\.ass, line 13: .*{reason}"):
        read(tmp_path, "a.ass", ass("one") + event + "\n")


@each_case("namespace", [TTML_2018, TTML_2006, "http://www.w3.org/2006/04/ttaf1", ""])
@each_case(
    ("paragraphs", "said"),
    [
        (
            '<tt:p begin="00:00:01.000" end="00:00:02.000">One <tt:span>two</tt:span><tt:br/>three</tt:p>',
            "One two three",
        ),
        ('<tt:p begin="3s" dur="1s">two</tt:p>\n<tt:p begin="1s" end="3s">\n  one\n</tt:p>', "one two"),
        ('<tt:p begin="1s" end="2s"><ttm:desc>not said</ttm:desc>a &lt; b</tt:p><tt:p>c</tt:p>', "a < b c"),
        ('<tt:p begin="00:00:01:12" end="60f">one</tt:p>', "one"),
        ('<tt:p begin="1:03.500" end="1:05">two</tt:p><tt:p begin="58.640" end="1:00">one</tt:p>', "one\n\ntwo"),
    ],
)
def test_ttml_is_read_in_any_namespace(tmp_path: Path, namespace: str, paragraphs: str, said: str) -> None:
    """TTML is read in any namespace, even in those from before 2010, and descriptions are left out."""
    content = TTML.format(namespace, paragraphs).replace('xmlns:tt=""', 'xmlns="x"')
    content = content if namespace else content.replace("tt:", "")
    assert read(tmp_path, "a.dfxp", content) == said


def test_ttml_whose_prefixes_are_not_declared_is_read(tmp_path: Path) -> None:
    """Who has forgotten to declare ``ttm`` and ``tts`` has a file to read, without its title and its descriptions."""
    head = "<head><metadata><ttm:title>no speech</ttm:title></metadata></head>"
    body = '<body><div><p begin="1s" tts:color="red"><ttm:desc>not said</ttm:desc>one <x:w>two</x:w></p></div></body>'
    assert (
        read(tmp_path, "a.ttml", f"<?xml version='1.0'?>\n<tt xmlns='http://www.w3.org/ns/ttml'>{head}{body}</tt>")
        == "one two"
    )


def test_words_with_a_colon_are_no_prefixes_of_ttml(tmp_path: Path) -> None:
    """Only a name in a tag has a prefix, and only letters of a name are in it; a word of the speech may have any sign."""
    said = "plano nº:siete área m²:foo, H₂:gas and see:also"
    paragraph = f'<p begin="1s" region="a>b" tts:color="red">{said} <x:w n="m²:b">two</x:w></p>'
    for namespaces in ("", ' xmlns:tts="urn:t" xmlns:x="urn:x"'):
        content = f"<tt xmlns='http://www.w3.org/ns/ttml'{namespaces}><body><div>{paragraph}</div></body></tt>"
        assert read(tmp_path, "a.ttml", content) == f"{said} two"


@each_case(
    ("paragraphs", "reason"),
    [
        ('<tt:p begin="soon">one</tt:p>', "line 4: 'soon' should be a time"),
        ('<tt:p begin="1s">one</tt:p> stray', "'stray' stands outside of a paragraph"),
        ('<tt:p begin="1s">one', "not well-formed XML"),
    ],
)
def test_ttml_that_cannot_be_read_is_refused(tmp_path: Path, paragraphs: str, reason: str) -> None:
    """No text of it is left out."""
    with pytest.raises(UnreadableTranscriptError, match=reason):
        read(tmp_path, "a.ttml", TTML.format(TTML_2018, paragraphs))


def test_ttml_that_declares_entities_is_refused(tmp_path: Path) -> None:
    """An entity that is made of entities could fill the memory."""
    bomb = '<!DOCTYPE tt [<!ENTITY a "aaaa">]><tt><body><div><p begin="1s">&a;</p></div></body></tt>'
    with pytest.raises(UnreadableTranscriptError, match="entity 'a' is declared"):
        read(tmp_path, "a.ttml", bomb)


@each_case(
    ("content", "said"),
    [
        (
            "0:00:01.000,0:00:03.000\nhello[br]there\n\nyou\n\n0:00:03.000,0:00:05.000\nfriend\n",
            "hello there you friend",
        ),
        ("0:00:03.000,0:00:05.000\nfriend\n\n0:00:01.000,0:00:03.000\n>> hello\n", ">> hello friend"),
        ("0:00:01.000,0:00:03.000\n1,000 and 2,000\n\n", "1,000 and 2,000"),
    ],
)
def test_sbv_is_read(tmp_path: Path, content: str, said: str) -> None:
    """A file in YouTube's own format is read as what is said."""
    assert read(tmp_path, "a.sbv", content) == said


@each_case("time", ["0:00:O3.000,0:00:05.000", "0:00:03.f00,0:00:05.000", "0:00:03.000,", "0:00:03.000;0:00:05.000"])
def test_a_mistyped_time_of_sbv_is_refused_with_its_line(tmp_path: Path, time: str) -> None:
    """A mistyped time is refused with its line, as in all formats."""
    with pytest.raises(UnreadableTranscriptError, match=r"a\.sbv, line 4"):
        read(tmp_path, "a.sbv", f"0:00:01.000,0:00:03.000\nhello\n\n{time}\nfriend\n")


SEGMENTS = [{"start": 0.0, "end": 2.0, "text": " Hello there."}, {"start": 2.0, "end": 3.0, "text": " Hello there."}]


@each_case(
    ("document", "said"),
    [
        ({"text": " Hello there. Hello there.", "segments": SEGMENTS, "language": "en"}, "Hello there. Hello there."),
        ({"segments": [{"end": 1, "text": "One.", "speaker": "SPEAKER_00"}, {"text": "Two.", "speaker": "SPEAKER_01"}]},
         "SPEAKER_00: One.\n\nSPEAKER_01: Two."),
        ({"transcription": [{"offsets": {"from": 0, "to": 900}, "text": " One."}, {"offsets": {"from": 5000, "to": 6000}, "text": " Two."}]},
         "One.\n\nTwo."),
        ({"text": "One. Two.", "chunks": [{"timestamp": [0.0, 1.0], "text": "One."}, {"timestamp": [1.0, None], "text": " Two."}]},
         "One. Two."),
        ({"text": "One. Two.", "usage": {"seconds": 3}}, "One. Two."),
        ({"segments": [{"start": 0, "end": 1, "text": "今天"}, {"start": 1, "end": 2, "text": "看河"}], "text": "今天看河"}, "今天看河"),
    ],
)  # fmt: skip
def test_the_json_of_recognizers_is_read(tmp_path: Path, document: object, said: str) -> None:
    """Whisper, WhisperX, whisper.cpp, Transformers, OpenAI's service; what was heard twice is read twice."""
    assert read(tmp_path, "a.json", json.dumps(document, indent=1)) == said


@each_case(
    ("name", "content", "reason"),
    [
        ("a.json", '{"a": [1]}', "is no transcript: .*--split lines"),
        ("a.json", '[{"text": "a"}]', "is no transcript"),
        ("a.json", '{"a": ', "line 1: this is not one JSON document"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"}\n', "line 2: this is not one JSON document; .*--split lines"),
        ("a.txt", '{\n "text": "a",\n "words": [', "line 3: this is not one JSON document"),
        ("a.txt", '{\n "text": "a"\n}\n{\n "text": "b"\n}\n', "line 4: this is not one JSON document"),
        ("a.json", '{"entities": [{"text": "a", "start": 1}]}', "is no transcript"),
        ("a.json", '{"segments": [{"text": "a"}, {"start": 1}]}', r"segments\[1\] has no text"),
        (
            "a.json",
            '{"text": "a b c", "segments": [{"text": "a c"}]}',
            "'text' and 'segments' have different words: 'text' goes on with 'b c' and 'segments' goes on with 'c'; remove",
        ),
        ("a.tsv", "start\tend\ttext\n0\t1000\ta\n1,5\t2000\tb\n", "line 3: .* should be two times"),
        ("a.tsv", "start\tend\ttext\n0\t1000\n", "line 2: .* should be two times"),
        ("a.docx", b"PK\x03\x04\x14", "Word.*pandoc .*/a.docx"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Word"),
        ("my talk.pdf", b"%PDF-1.7\n\xe2", "pdftotext '.*/my talk.pdf'"),
        ("a.txt", b"%PDF-1.7\n\xe2", "is a PDF"),
        ("a.rtf", rb"{\rtf1\ansi hello}", "RTF.*pandoc"),
        ("a.html", b"<p>hello</p>", "web page.*pandoc"),
        ("a.txt", b"<!-- x --><!DOCTYPE html>\n<html><p>hello", "web page"),
        ("a.xml", b'<?xml version="1.0"?><rss><p>hello</p></rss>', "XML of another kind"),
        ("b.xml", b"<!-- of 1962 --><rss><p>hello</p></rss>", "XML of another kind"),
        ("a.stl", b"850STL25.01" + b" " * 1013 + b"\x00\x01Hello\x8f", "EBU STL"),
        ("a.smi", b"<SAMI><BODY>hello", "SAMI.*ffmpeg"),
        ("a.sub", b"{0}{25}hello\n", "MicroDVD.*ffmpeg"),
        ("a.txt", b"00:00:01:hello|there\n00:00:03:\n00:00:04:good\n", "TMPlayer.*ffmpeg"),
        ("a.txt", b"@ made by Avid\n\n<begin subtitles>\n\n00:00:01:02 00:00:03:00\nhello\n", "Avid.*an editor"),
        ("a.txt", b"[INFORMATION]\n[TITLE]x\n[SUBTITLE]\n00:00:01.00,00:00:02.00\nhello\n", "SubViewer.*ffmpeg"),
        ("a.txt", b'File type = "ooTextFile"\nObject class = "TextGrid"\n', "TextGrid of Praat"),
        ("a.vtt", vtt('{"src": "a.jpg"}', '{"src": "b.jpg"}'), "JSON for a program"),
        ("a.txt", "0.0\t1.0\ta\n1.0\t2.0\tb\nc\n", "line 3: .* two times in seconds"),
        ("a.stl", b"//\n00:00:01:00 , 00:00:02:00 , hello\n", "kind that is not read.*ffmpeg"),
        ("a.txt", b'<transcript><text start="0" dur="1">hello</text></transcript>', "XML of another kind"),
        ("a.csv", 'start,end,text\n0,1000,"a"\n1,x,b\n', "line 3: .* should be the times of a text"),
        ("a.csv", 'start,end,text\n0,1000,"a\n', "line 2: unexpected end of data"),
        ("a.scc", b"Scenarist_SCC V1.0\n\n00:00:01:00 9420", "SCC.*ffmpeg"),
        ("a.mp3", b"ID3\x04\x00", "recording.*whisper"),
        ("a.m4a", b"\0\0\0\x20ftypM4A ", "recording.*whisper"),
        ("a.gz", b"\x1f\x8b\x08", "gunzip"),
        ("a.zip", b"PK\x03\x04\x14", "unzip .*/a.zip"),
        ("a.srt", b"BZh91AY&SY\0", "bunzip2 .*/a.srt"),
        ("a.srt", b"\xfd7zXZ\0\0", "unxz .*/a.srt"),
        ("a.srt", b"\x28\xb5\x2f\xfd\0", "unzstd .*/a.srt"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0", "7z x .*/a.7z"),
        ("a.rar", b"Rar!\x1a\x07\0", "unrar x .*/a.rar"),
        ("a.srt", "Only words.", "no subtitles"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    """Before anything is paid; the message names the file, the line where there is one, and the way out."""
    with pytest.raises(UnreadableTranscriptError, match=reason) as refused:
        read(tmp_path, name, content)
    assert str(refused.value).startswith(str(tmp_path / name))
