"""What is cleaned in pieces is what is cleaned in one, paragraphs too, whatever the size of the chunks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.run.inputs import cleaned_content
from checkpoint_store.cli.run.outputs.output import joined
from checkpoint_store.cli.transcripts.clean import cleaned
from checkpoint_store.cli.transcripts.reading.transcript import Transcript
from checkpoint_store.cli.transcripts.split import split
from checkpoint_store.cli.transcripts.times import TracedText

from .test_cleaner import FRAGMENTS

if TYPE_CHECKING:
    from .conftest import Folder

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
CHINESE = "今天我们\n看河流。\n\n田中: はい\nそう です\n\n[Music]\n\nおわり\n" * 5
GERMAN = "Er ging um\ndas Haus, ähm,\nund dann um\nden See.\n\n[Musik]\nAna: Det er um.\n" * 5


def noisy(seed: int) -> str:
    """Return the sample as a recognizer would write it: short lines, times, fillers, doubled words, noises."""
    chance, lines = random.Random(seed), []
    for paragraph in SAMPLE.split("\n\n")[:12]:
        words = paragraph.split()
        while words:
            count = chance.randint(1, 9)
            line = " ".join(word for word in words[:count] for word in _with_noise(word, chance))
            lines.append(
                line if chance.random() < 0.8 else f"[00:{chance.randint(10, 59)}:{chance.randint(10, 59)}] {line}"
            )
            words = words[count:]
        lines.append(chance.choice(["", "\n", "[soft music\nplaying]\n", "um\n", "JOHN KENNEDY:"]))
    return "\n".join(lines)


def _with_noise(word: str, chance: random.Random) -> list[str]:
    filler = (
        ["um,"] * (chance.random() < 0.05)
        + ["uh"] * (chance.random() < 0.05)
        + ["[laughter]"] * (chance.random() < 0.03)
    )
    again = word in {"the", "to", "of", "our"} and chance.random() < 0.3
    return [*filler, word, *([word] if again else [])]


def in_pieces(text: str, chunk_size: int, language: str | None = None) -> str:
    """Return what a run without COMMAND writes."""
    chunks = split(text, chunk_size=chunk_size, overlap=0)
    content = cleaned_content(Transcript(text, None), chunks, language)
    assert content.cleaned is not None
    assert [chunk.text for chunk in content.chunks] == [chunk.text for chunk in chunks]
    return joined(content.chunks, content.cleaned).removesuffix("\n")


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 8, 13, 40, 41, 100, 333, 2000, 10**6])
@pytest.mark.parametrize(
    "text", [noisy(1), noisy(2), SAMPLE, CHINESE, GERMAN], ids=["noisy", "noisier", "edited", "CJK", "German"]
)
def test_transcripts(text: str, chunk_size: int) -> None:
    """A speech with times, noises, fillers and doubled words at every border."""
    assert in_pieces(text, chunk_size) == cleaned(text, None).text


@given(
    st.lists(st.sampled_from([*FRAGMENTS, "0:03 ", "the the", "Um", "月", "<i>", "</i>"]), max_size=60).map("".join),
    st.integers(1, 60),
)
def test_any_text(text: str, chunk_size: int) -> None:
    """Any text is cleaned in chunks as it is cleaned whole, even if a border cuts a time, a noise or a tag."""
    assert in_pieces(text, chunk_size, "en") == cleaned(text, "en").text


@given(
    st.text(st.sampled_from("ab \n.,"), max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.text("xy ", max_size=3)), max_size=6),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces_are_the_whole(text: str, edits: list[tuple[int, int, str]], starts: list[int]) -> None:
    """Separators and texts, one after the other, are the edited text, whatever was edited and wherever it is cut."""
    traced, last, applied = TracedText.of(text), 0, []
    for start, length, new in sorted(edits):
        if last <= start and start + length <= len(text) and text:
            applied.append((start, start + length, new))
            last = start + length
    traced = traced.edited(applied)
    assert traced.origins == sorted(traced.origins)
    assert len(traced.origins) == len(traced.text)
    pieces = traced.chunks([0, *sorted(start for start in starts if start <= len(text))])
    assert "".join(piece.separator + piece.text for piece in pieces) == traced.text.strip()


@pytest.mark.slow_variants
@pytest.mark.parametrize("chunk_size", [30, 200, 5000])
def test_the_command_writes_the_cleaned_whole(folder: Folder, chunk_size: int) -> None:
    """The command writes an equal output for each chunk size."""
    text = noisy(3)[:1500]
    folder.write("talk.txt", text)
    folder.run("run", "talk.txt", "--chunk-size", chunk_size)
    assert folder.read("talk.cleaned.txt") == cleaned(text, None).text + "\n"


@pytest.mark.slow
def test_language_is_recorded_and_can_be_named(folder: Folder) -> None:
    """Where it is not named, it is English if the text looks like it; a German text keeps its words."""
    folder.write("en.txt", "So, um, we went to the the moon.")
    folder.run("run", "en.txt")
    assert folder.read("en.cleaned.txt") == "So we went to the moon.\n"
    assert folder.json("show")["config"]["language"] == "en"
    folder.write("de.txt", "Er ging um das Haus.")
    folder.run("run", "de.txt")
    assert folder.read("de.cleaned.txt") == "Er ging um das Haus.\n"
    assert folder.json("show")["config"]["language"] is None
    folder.run("run", "de.txt", "--language", "en", "--on-change", "restart")
    assert folder.json("show")["config"]["language"] == "en"
