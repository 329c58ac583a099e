"""A caption file that repeats marks, or has a number of any length, is read or refused at once."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CPU_SECONDS_MAX = 10
"""What an endless regular expression exceeds on any machine, and a reader nowhere."""
SRT = "1\n00:00:01,000 --> 00:00:02,000\n"
REPEATED = {
    "times_of_codes": (".srt", f"{SRT}{{", "\\t(0,100,\\fscx100)", 1000, "\\p1}"),
    "times_of_codes_left_open": (".srt", f"{SRT}{{", "\\t(0,", 1000, "}"),
    "sizes": (".srt", f"{SRT}{{", "\\fs20", 1000, "\\p1}"),
    "classes": (".srt", f"{SRT}<c", ".a", 1000, ""),
    "classes_of_voice": (".vtt", f"WEBVTT\n\n{SRT}<v", ".a", 1000, ""),
    "spaces_of_voice": (".vtt", f"WEBVTT\n\n{SRT}<v", " ", 100_000, ""),
    "attributes": (".srt", f"{SRT}<font", " a=b", 1000, ""),
    "arrow": (".srt", f"{SRT}> ", "-", 100_000, "x"),
    "time": (".srt", "\n1\n", "1:", 50_000, "x"),
    "half_a_time": (".sbv", "0:00:01.000,0:00:03.000\n", "1:", 3000, ",x!"),
    "marks_in_a_word": (".srt", f"{SRT}a", ".", 100_000, f"a\n\n2{SRT[1:]}a"),
    "instructions": (".ttml", "", "<?a?>", 40, "x"),
    "comments": (".xml", "", "<!--a-->", 40, "x"),
    "braces": (".ass", "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,a", "{", 100_000, ""),
    "brackets": (".lrc", "[ar:a]\n[00:01.00]", "[", 100_000, "x"),
    "tags_of_lyrics": (".lrc", "[ar:a]\n[00:01.00]a\n[ar:", "] ", 50_000, "x"),
    "objects": (".json", "", '[{"a": ', 50_000, ""),
    "quotes": (".csv", "start,end,text\n", '"', 100_000, ""),
    "names": (".txt", "Ana  0:01\na\nBo  0:02\n", "a ", 50_000, ":"),
    "labels": (".txt", "1.0\t2.0\ta\n1.0\t2.0\t", "[[a]]", 20_000, ""),
    "whisper": (".txt", "[0.5s -> 1.0s] a\n[1.5s -> 2.0s]", "[0.5s -> ", 20_000, ""),
}


@pytest.fixture
def cpu_limit() -> Iterator[None]:
    """Raise an error where a test takes CPU time without end."""

    def give_up(*_: Any) -> None:
        pytest.fail("the reader does not end")

    handler = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS_MAX)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, handler)


@pytest.mark.usefixtures("cpu_limit")
@pytest.mark.parametrize("case", REPEATED)
def test_a_mark_that_repeats_keeps_no_reader_busy(tmp_path: Path, case: str) -> None:
    """``run`` takes no minutes for a file of some thousand characters: it reads or refuses the file."""
    suffix, before, mark, count, after = REPEATED[case]
    path = tmp_path / f"talk{suffix}"
    path.write_text(f"{before}{mark * count}{after}", "utf-8")
    with suppress(UnreadableTranscriptError):
        assert read_transcript(path).text


LONG, DEEP, NESTED = "9" * 5000, '{"a":', '{"nBest":[' * 800 + "]}" * 800
NUMBERS = {
    "csv": (".csv", f"start,end,text\n{LONG},2,a\n"),
    "tsv": (".tsv", f"start\tend\ttext\n1\t{LONG}\ta\n"),
    "labels": (".txt", f"1.0\t2.0\ta\n1.0\t2.0\ta\n{LONG}.0\t{LONG}.0\ta\n"),
    "whisper": (".txt", f"[0.5s -> 1.0s] a\n[1.5s -> {LONG}.5s] a\n"),
    "ttml": (".ttml", f"<tt><body><p begin='{LONG}s'>a</p></body></tt>"),
    "ttml_clock": (".ttml", f"<tt><body><p begin='{LONG}:00:00'>a</p></body></tt>"),
    "ttml_rate": (".ttml", "<tt tickRate='nan'><body><p begin='1t'>a</p></body></tt>"),
    "ass": (".ass", f"[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,{{\\p{LONG}}}a"),
    "json": (".json", f'{{"segments": [{{"text": "a", "start": {LONG}}}]}}'),
    "nested_cue": (".vtt", f"WEBVTT\n\n00:01.000 --> 00:02.000\n{DEEP * 5000}"),
    "nested_entry": (".vtt", f"WEBVTT\n\n00:01.000 --> 00:02.000\n{NESTED}"),
    "nested_json": (".json", NESTED),
}


@each_case("case", NUMBERS)
def test_a_number_or_a_nesting_of_any_length_ends_no_run(tmp_path: Path, case: str) -> None:
    """``run`` reads the file, or refuses it and names it: nobody sees a traceback."""
    suffix, text = NUMBERS[case]
    path = tmp_path / f"talk{suffix}"
    path.write_text(text, "utf-8")
    with suppress(UnreadableTranscriptError):
        assert read_transcript(path).text
