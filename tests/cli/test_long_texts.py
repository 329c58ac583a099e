"""A text of any kind is read and cut in a time that grows with its length, not with the square of its length.

The tests count the lines of Python that run, and what the tokenizer looks at: a busy machine changes neither. The time
of the processor is measured where Python itself compares.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.cli.transcripts import clean as clean_module
from checkpoint_store.cli.transcripts import split as split_module
from checkpoint_store.cli.transcripts.reading.cue import Cue, Line
from checkpoint_store.cli.transcripts.reading.speech import speech
from checkpoint_store.cli.transcripts.reading.srt import read_srt
from checkpoint_store.cli.transcripts.reading.transcript import with_names
from checkpoint_store.cli.transcripts.reading.webvtt import read_webvtt
from checkpoint_store.cli.transcripts.split import split

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXTS = {
    "flags": "\U0001f1e9\U0001f1ea",
    "a mark behind much white space": "a{spaces}\u0301",
    "a mark behind many empty lines": "a{lines}\u0301",
    "brackets in a chain of joiners": "(\u200d)\u200d",
    "a chain of joiners": "\U0001f468\u200d",
    "marks": "\u0301",
    "a word": "a",
    "quotes": '"',
    "brackets that are never closed": "([{",
    "no space": "\u6cb3",
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", _TEXTS)
def test_a_text_of_twice_the_length_is_cut_in_twice_the_steps(name: str) -> None:
    """No text of odd characters takes the square of its length to be cut."""
    assert _growth(lambda length: _cut(_text(_TEXTS[name], length))) < 3


@pytest.mark.parametrize(
    ("opening", "closing"), [("[laughter ", "]"), ("[music (coughs ", ")]"), ("[", "]"), ("um [the laughs ", "] the")]
)
def test_noises_within_noises_take_few_passes(opening: str, closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cleaner goes through a text as often for sixty levels as for thirty, and leaves no level."""
    passes: list[int] = []
    tidied = clean_module._tidied
    monkeypatch.setattr(clean_module, "_tidied", lambda *text, **more: passes.append(1) or tidied(*text, **more))
    counts = []
    for depth in (30, 60):
        passes.clear()
        text = clean_module.cleaned(f"Hello. {opening * depth}{closing * depth} Bye.", "en").text
        assert text.replace(" the", "") == "Hello. Bye."
        counts.append(len(passes))
    assert counts[0] == counts[1]


def _text(unit: str, length: int) -> str:
    if "{" in unit and "}" in unit:
        return unit.format(spaces=" " * length, lines="\n" * length)
    return unit * (length // len(unit))


def _cut(text: str) -> None:
    chunks = split(text, chunk_size=50, overlap=20)
    assert "".join(chunk.separator + chunk.text for chunk in chunks).strip() == text.strip()


def test_a_long_word_is_shown_to_the_tokenizer_in_short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is a single word of megabytes is cut by tokens: a tokenizer takes quadratic time for a word."""
    looked_at: list[int] = []

    class Splitter:
        def chunks(self, text: str) -> list[str]:
            looked_at.append(len(text))
            return [text[start : start + 300] for start in range(0, len(text), 300)]

    monkeypatch.setattr(split_module, "_splitter", lambda *_: Splitter())
    chunks = split("a" * 60_000, chunk_size=100, overlap=0, tokenizer="any")
    assert (len(chunks), len(chunks[0].text)) == (200, 300)
    assert max(looked_at) <= 800
    assert sum(looked_at) <= 20 * 60_000


def _growth(work: Callable[[int], None]) -> float:
    """Return how many times as many lines of Python run for twice the length."""
    return _steps(lambda: work(3000)) / _steps(lambda: work(1500))


def _steps(work: Callable[[], None]) -> int:
    count = 0

    def count_line(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return count_line

    before = sys.gettrace()
    sys.settrace(count_line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_two_long_cues_are_compared_in_steps_of_their_length() -> None:
    """Captions whose cues have hundreds of lines that are alike are read in no more than a moment."""

    def read(length: int) -> None:
        times = ("00:00:01,000 --> 00:00:02,000\n", "00:00:02,000 --> 00:00:03,000\n")
        lines = "ab\n" * (length // 3)
        words = speech(read_srt(f"1\n{times[0]}{lines}x\n\n2\n{times[1]}{lines}"), shows_again=True)
        assert words.split().count("ab") == 2 * (length // 3)

    assert _growth(read) < 3


def test_many_files_in_one_are_read_in_steps_of_their_length() -> None:
    """A caption file that was put together from a thousand files is read as fast as any other of its length."""
    srt, vtt = "1\n00:00:00,000 --> 00:00:01,000\na\n\n", "WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n"
    assert _growth(lambda length: _count(read_srt(srt * (length // 20)), length // 20)) < 3
    assert _growth(lambda length: _count(read_webvtt(vtt * (length // 20)), length // 20)) < 3


def _count(cues: list[Any], expected: int) -> None:
    assert sum(bool(cue.lines) for cue in cues) == expected


@pytest.mark.slow
def test_the_speakers_of_a_long_meeting_are_taken_in_a_moment() -> None:
    """The captions of a day of meetings, with a name above each, are read as fast as other captions."""
    cues = [Cue(0, 0, (Line("(Ana)"), Line("Hello.")))] * 20_000
    before = time.process_time()
    assert {cue.lines for cue in with_names(cues)} == {(Line("Hello.", "Ana"),)}
    assert time.process_time() - before < 1  # a search of all names for each line takes three
