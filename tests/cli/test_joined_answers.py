"""The output is exactly the answers, one after the other, with what stood between their chunks in the source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import program
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.run.command.answer import AnswerReader
from checkpoint_store.cli.run.outputs.output import joined
from checkpoint_store.cli.transcripts.split import TextChunk, split

from .children.programs import MEANS, PROGRAMS, REMARKS, printed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Folder

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
PROGRAM = program(__file__, "programs")
PIECES = st.sampled_from(
    [
        "We choose to go to the moon. ",
        "We choose to go to the moon. ",  # often: repetitions mislead whoever guesses
        "Not because they are easy, but because they are hard! ",
        "Um, so, uh ",
        "the the ",
        "[laughter] ",
        "(see Figure 3) ",
        "\n",
        "\n\n",
        "\n\n\n  ",
        "\nAna: ",
        "\nBo: No, not before Friday.",
        "\n- ",
        "\n    indented = 1",
        "\t",
        "我们选择登月。",
        "月に行く（笑）",
        "Élodie dit « oui ». ",
        "00:00:01,000 --> 00:00:04,000\n",
        "<i>quite</i> ",
        "👩‍👩‍👧‍👦 ",
        "half-",
        "word",
    ]
)
TRANSCRIPTS = st.lists(PIECES, max_size=60).map("".join)


def expected(text: str, chunks: list[TextChunk], answers: list[str]) -> str:
    """The answers, with what stands between the chunks in ``text`` itself; of two that an empty answer would leave, the
    one with more lines.
    """
    output, position, waiting, written = "", 0, "", False
    for number, (chunk, answer) in enumerate(zip(chunks, answers, strict=True)):
        start = text.index(chunk.text, position)
        between, position = text[position:start], start + len(chunk.text)
        assert not between.strip()
        if (between.count("\n"), len(between)) > (waiting.count("\n"), len(waiting)):
            waiting = between
        if answer:
            output += (waiting if written or number == 0 else "") + answer
            waiting, written = "", True
    return output if output.endswith("\n") else f"{output}\n"


@given(TRANSCRIPTS, st.integers(1, 200), st.integers(0, 120), st.sampled_from(PROGRAMS))
def test_the_output_is_exactly_the_answers(
    text: str, chunk_size: int, overlap: int, program: Callable[[str], str]
) -> None:
    """Whatever the text, the sizes and the program: nothing is taken off an answer, nothing is added, none is moved."""
    chunks = split(text, chunk_size=chunk_size, overlap=overlap)
    read = [AnswerReader().read(printed(program, chunk.text), chunk.text)["cleaned_text"].strip() for chunk in chunks]
    meant = [MEANS.get(program, program)(chunk.text).strip() for chunk in chunks]
    assert read == meant
    assert joined(chunks, read) == expected(text, chunks, meant)


@given(TRANSCRIPTS, st.integers(1, 200), st.integers(0, 120))
def test_an_unchanged_text_comes_back(text: str, chunk_size: int, overlap: int) -> None:
    """Character by character, but for white space at the end."""
    chunks = split(text, chunk_size=chunk_size, overlap=overlap)
    assert joined(chunks, [chunk.text for chunk in chunks]) == f"{text.rstrip() if text.strip() else ''}\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("answering", PROGRAMS, ids=lambda answering: answering.__name__)
def test_every_program_gives_its_answers(folder: Folder, answering: Callable[[str], str]) -> None:
    """Every word of every answer is in the output, with a process of COMMAND for each chunk."""
    text = "\n\n".join(SAMPLE.split("\n\n")[:6])
    folder.write("talk.txt", text)
    words = ("--chunk-size", 700, "--overlap", 100, "--workers", 2)
    done = folder.run("run", "talk.txt", *words, "--", sys.executable, PROGRAM, answering.__name__)
    chunks = split(text, chunk_size=700, overlap=100)
    assert len(chunks) > 2, done.stderr
    answers = [MEANS.get(answering, answering)(chunk.text).strip() for chunk in chunks]
    assert folder.read("talk.cleaned.txt") == expected(text, chunks, answers)


@pytest.mark.slow_variants
@pytest.mark.parametrize("remark", REMARKS[:3])
def test_a_closing_remark_costs_no_word(folder: Folder, remark: str) -> None:
    """Whatever each answer closes with, every word of the speech is in the output, in order."""
    folder.write("talk.txt", SAMPLE)
    folder.run("run", "talk.txt", "--chunk-size", 6000, "--", "sh", "-c", f"cat; echo; echo '{remark}'")
    chunks = split(SAMPLE, chunk_size=6000, overlap=0)
    assert folder.read("talk.cleaned.txt") == expected(SAMPLE, chunks, [f"{chunk.text}\n{remark}" for chunk in chunks])


def test_an_empty_answer_takes_no_paragraph_along() -> None:
    """The larger of the two gaps around an empty answer stays in the output, so a paragraph still begins."""
    gaps = ["", "\n\n", " ", "\n", "\n  \n"]
    chunks = [TextChunk("x", separator=gap) for gap in gaps]
    assert joined(chunks, ["a", "", "b", "", "c"]) == "a\n\nb\n  \nc\n"
    assert joined(chunks, ["", "", "b", "c", ""]) == "b\nc\n"
    assert joined(chunks, [""] * 5) == "\n"


@pytest.mark.slow
def test_an_empty_answer_leaves_no_trace(lecture: Folder) -> None:
    """A chunk that is cleaned to nothing gives neither text nor a second blank line."""
    source = """
import json, sys
text = sys.stdin.read()
print(json.dumps({"cleaned_text": "" if text[10] in "0245" else text}))
"""
    lecture.run("run", "lecture.txt", "--chunk-size", 60, *lecture.command(source))
    paragraphs = lecture.read("lecture.txt").split("\n\n")
    assert lecture.read("lecture.cleaned.txt") == f"{paragraphs[1]}\n\n{paragraphs[3]}\n"
