"""Cutting a text: nothing is lost, and no cut tears what belongs together."""

from __future__ import annotations

import random
import re
import time
import unicodedata
from pathlib import Path

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.cli.transcripts.split import TextChunk, UnknownTokenizerError, split
from checkpoint_store.cli.transcripts.unbroken import may_cut

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
SIZES = st.tuples(st.integers(1, 400), st.integers(0, 500))
TEXTS = st.text(max_size=400) | st.text(
    st.sampled_from("ab Wé.\n\t\u3000月,!?-\"'()[]<>:\u0301\u200d👩🏽🇩🇪"), max_size=600
)
# Each is one thing to a reader: a letter with its mark, a family, a flag, a keycap, a syllable of Hangul or Hindi.
CLUSTERS = ["é", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "3️⃣", "각", "क्षि", "ก็", "ｶﾞ", "Z̤͔", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SIZES_OF_CHUNKS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]


def joined(chunks: list[TextChunk]) -> str:
    """The chunks with what stood between them."""
    return "".join(chunk.separator + chunk.text for chunk in chunks)


@given(TEXTS, SIZES)
def test_chunks_and_separators_are_the_text(text: str, sizes: tuple[int, int]) -> None:
    """Whatever the text and the sizes: no character is lost, doubled or moved, but white space at the very end."""
    chunks = split(text, chunk_size=sizes[0], overlap=sizes[1])
    assert joined(chunks) == (text.rstrip() if text.strip() else "")
    assert all(chunk.text == chunk.text.strip() != "" for chunk in chunks)
    assert all(not chunk.separator.strip() for chunk in chunks)


@given(TEXTS, SIZES)
def test_a_context_is_what_stood_before(text: str, sizes: tuple[int, int]) -> None:
    """The context of a chunk is the text before it: whole characters, up to the asked length; the first has none."""
    chunks = split(text, chunk_size=sizes[0], overlap=sizes[1])
    before = ""
    for number, chunk in enumerate(chunks):
        before += chunk.separator
        assert len(chunk.context) <= sizes[1]
        assert before.rstrip().endswith(chunk.context)
        assert number or not chunk.context
        start = len(before.rstrip()) - len(chunk.context)
        assert not chunk.context or may_cut(text, start)
        before += chunk.text


@each_case(("chunk_size", "overlap"), [(2000, 200), (2000, 3000), (700, 70), (300, 100), (100, 50)])
def test_chunks_are_no_longer_than_was_asked_for(chunk_size: int, overlap: int) -> None:
    """A context takes no room of the chunk, and may be longer than it."""
    chunks = split(SAMPLE, chunk_size=chunk_size, overlap=overlap)
    assert joined(chunks) == SAMPLE.rstrip()
    assert max(len(chunk.text) for chunk in chunks) <= chunk_size
    assert all(chunk.context for chunk in chunks[1:])


def test_a_context_begins_with_a_sentence_or_a_word() -> None:
    """Whoever reads it is not given half a word."""
    for chunk in split(SAMPLE, chunk_size=500, overlap=100)[1:]:
        place = SAMPLE.index(chunk.context)
        assert SAMPLE[place - 1].isspace()


@pytest.mark.slow_variants
@pytest.mark.parametrize("chunk_size", SIZES_OF_CHUNKS)
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_no_cut_falls_into_a_character(cluster: str, chunk_size: int) -> None:
    """No cut falls into a character, even if a chunk is smaller than the character and no space is near."""
    for text in (cluster * 40, f" {cluster}" * 40, f"x{cluster} y " * 20):
        for chunk in split(text, chunk_size=chunk_size, overlap=chunk_size):
            for part in (chunk.text, chunk.context):
                assert part.count(cluster[0]) == part.count(cluster)
                assert not part or not unicodedata.category(part[0]).startswith("M")


@pytest.mark.slow_variants
@pytest.mark.parametrize("chunk_size", SIZES_OF_CHUNKS)
@pytest.mark.parametrize(
    "whole",
    [
        "[laughter and applause]",
        "(he points at the map)",
        "{\\an8}",
        "(see [Figure 3] below)",
        "（笑 と 拍手）",
        "【 bell rings 】",
        "[two\nlines]",
        '<font color="red and green">',
        "<v Roger Bingham>",
        "<00:00:01.500>",
        "&nbsp;",
        "[00:12:13.000 --> 00:12:15.000]",
        "<c.yellow.bg_blue and more>",
    ],
)
def test_no_cut_falls_into_a_bracket_or_a_tag(whole: str, chunk_size: int) -> None:
    """Each is in a chunk, whole, however small the chunks are; so it is in a context, or not at all."""
    text = f"so we said {whole} and went on, as one does. " * 6
    chunks = split(text, chunk_size=chunk_size, overlap=chunk_size)
    assert sum(chunk.text.count(whole) for chunk in chunks) == 6
    brackets = "([{<（【"
    assert all(chunk.context.count(whole) or not set(chunk.context) & set(brackets) for chunk in chunks)


@pytest.mark.slow_variants
@pytest.mark.parametrize("chunk_size", SIZES_OF_CHUNKS)
@pytest.mark.parametrize(
    "header",
    [
        "12\n00:00:01,000 --> 00:00:04,000\n",
        "00:01.000 --> 00:04.000 align:start position:10%\n",
        "0:00:01.000,0:00:04.000\n",
        "00:01:02\n",
        "0:03 ",
        "12:01:02 - ",
    ],
)
def test_no_cut_falls_into_a_time_line(header: str, chunk_size: int) -> None:
    """The number, the times and the first word after them stay together: no time is left alone, to be taken for text."""
    text = "".join(f"{header}We choose to go to the moon.\n\n" for _ in range(6))
    chunks = split(text, chunk_size=chunk_size, overlap=0)
    assert sum(chunk.text.count(f"{header}We") for chunk in chunks) == 6
    assert joined(chunks) == text.rstrip()


@pytest.mark.slow_variants
@pytest.mark.parametrize("tokenizer", [None, "gpt-4o"])
def test_a_bracket_as_long_as_a_chunk_makes_no_chunk_longer(tokenizer: str | None) -> None:
    """A bracket that fills a chunk with the words around it is kept whole only where it fits."""
    for length in range(290, 310):
        bracket = f"({'w ' * (length // 2 - 2)}w{'w' * (length % 2)})"
        text = f"one two {'x' * 40}{bracket}{'y' * 40}, he said. " * 3
        chunks = split(text, chunk_size=300, overlap=0, tokenizer=tokenizer)
        assert joined(chunks) == text.rstrip()
        for chunk in chunks:
            assert len(split(chunk.text, chunk_size=300, overlap=0, tokenizer=tokenizer)) == 1
            assert tokenizer or len(chunk.text) <= 300


def test_an_open_bracket_does_not_hold_the_rest_of_the_text() -> None:
    """A smiley, a list's ``a)`` or a bracket that nobody closed is no reason for a chunk without end."""
    for text in ("so :( he said. " * 100, "( " + "word " * 500, "a) one thing. " * 100, "x (" + "y " * 2000 + ") z"):
        assert max(len(chunk.text) for chunk in split(text, chunk_size=100, overlap=0)) <= 100


@each_case(
    ("names", "between"),
    [(("Ana:", "Bo:"), "\n"), (("- ", "- "), "\n"), ((">>", ">>"), "\n"), (("Dr. Neil Armstrong:", "Q:"), "\n\n")],
)
def test_no_cut_falls_into_a_turn_that_fits(names: tuple[str, str], between: str) -> None:
    """A speaker's turn of three sentences stays whole, and no turn of one speaker is given to the other."""
    rng = random.Random(1)
    turns = [f"{names[number % 2]} " + "We said so. " * rng.randint(1, 6) for number in range(40)]
    text = between.join(turn.rstrip() for turn in turns)
    for chunk_size in (100, 130, 170, 400):
        chunks = split(text, chunk_size=chunk_size, overlap=0)
        assert [chunk.text for chunk in chunks if not chunk.text.startswith(names)] == []
        assert max(len(chunk.text) for chunk in chunks) <= chunk_size


@each_case("line_end", ["\n", "\n\n", "\n    "])
def test_no_cut_falls_into_a_turn_of_several_lines(line_end: str) -> None:
    """The lines of a turn that have no name in front stay with the name."""
    turns = [line_end.join([f"{name}: We said this.", "And that, too.", "So it was."]) for name in ("Ana", "Bo") * 10]
    text = "\n".join(turns)
    for chunk_size in (75, 90, 110, 150):
        chunks = split(text, chunk_size=chunk_size, overlap=0)
        assert [chunk.text for chunk in chunks if not chunk.text.startswith(("Ana:", "Bo:"))] == []
        assert max(len(chunk.text) for chunk in chunks) <= chunk_size


def test_a_turn_longer_than_a_chunk_is_cut_between_sentences() -> None:
    """A turn of a speaker that is longer than a chunk is cut between sentences."""
    text = "Ana: Fine.\nBo: " + "That is a sentence of his. " * 30 + "\nAna: Fine."
    chunks = split(text, chunk_size=200, overlap=0)
    assert all(re.match("That is|Ana:|Bo:", chunk.text) for chunk in chunks)


def test_indentation_survives() -> None:
    """The white space before a line of code or of a poem is what it was, also at the cuts and at the beginning."""
    text = "    def f():\n        return 1\n\n\n\tpass\n            x = [1,\n                 2]\n" * 8
    for chunk_size in (10, 20, 40, 80):
        assert joined(split(text, chunk_size=chunk_size, overlap=0)) == text.rstrip()


def test_an_edit_changes_only_the_chunks_near_it() -> None:
    """The chunks before an edit stay as they were, and so do those after the next common cut."""
    edited = SAMPLE.replace("Newton explored", "Newton, Isaac Newton, explored")
    before, after = ([chunk.text for chunk in split(text, chunk_size=1000, overlap=100)] for text in (SAMPLE, edited))
    assert before != after
    assert len(set(before) & set(after)) >= len(before) - 4


def test_a_cut_falls_between_words() -> None:
    """A cut falls between words, and tears neither punctuation nor a hyphen from its word."""
    words = set(SAMPLE.split())
    for chunk in split(SAMPLE, chunk_size=80, overlap=0):
        assert set(chunk.text.split()) <= words


@pytest.mark.slow
def test_the_time_grows_with_the_text() -> None:
    """Eight times the text takes about eight times as long, and not sixty-four."""

    def seconds(text: str) -> float:
        before = time.process_time()
        split(text, chunk_size=2000, overlap=200)
        return time.process_time() - before

    short = min(seconds(SAMPLE * 100) for _ in range(3))
    assert min(seconds(SAMPLE * 800) for _ in range(2)) < 24 * short


def test_brackets_that_never_close_cost_no_time() -> None:
    """A chat full of ``:(``, and of ``]`` later in its only paragraph, is cut in a moment, not in a minute."""
    before = time.process_time()
    assert len(split("sad :( day " * 12_000 + "note] " * 12_000, chunk_size=2000, overlap=0)) > 100
    assert time.process_time() - before < 5  # a search for each bracket takes ten


def test_a_chunk_can_be_measured_in_tokens() -> None:
    """A chunk has at most as many tokens of the named model as were asked for."""
    tokens = split(SAMPLE, chunk_size=100, overlap=50, tokenizer="gpt-4o")
    assert joined(tokens) == SAMPLE.rstrip()
    assert 250 < max(len(chunk.text) for chunk in tokens) < 700
    assert len(tokens) < len(split(SAMPLE, chunk_size=100, overlap=50)) / 3


def test_an_unknown_tokenizer_is_named(tmp_path: Path) -> None:
    """A model that has none, and a file that is none."""
    (tmp_path / "tokenizer.json").write_text("{}")
    for name in ("no-such-model", str(tmp_path / "tokenizer.json")):
        with pytest.raises(UnknownTokenizerError, match=re.escape(name)):
            split("text", chunk_size=10, overlap=0, tokenizer=name)
