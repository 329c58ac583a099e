"""Captions that show their words more than once are read once; what is said twice is read twice."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from each_case import each_case

from .caption_files import clock, read, srt, vtt

SAMPLE = (Path(__file__).parents[2] / "examples" / "rice-university-1962.txt").read_text()
LINES = [
    "we look at the rivers", "of the northern hills", "and where they rise", "they carry the snow", "down to the sea",
    "no one knows why", "no", "no", "that is all",
]  # fmt: skip
SAID = " ".join(LINES)


def rolled(lines: list[str], height: int) -> list[str]:
    """Return the screens of live captions that are ``height`` lines high."""
    return ["\n".join(lines[max(0, end - height) : end]) for end in range(1, len(lines) + 1)]


@each_case("height", [2, 3])
@each_case("pause", [0.0, 0.4, 2.0, -0.3, -1.2])
def test_rolling_captions_are_read_once(tmp_path: Path, height: int, pause: float) -> None:
    """Two or three lines, with gaps and overlaps between the cues; "no, no" is said twice."""
    content = srt(*rolled(LINES, height), seconds=3.0, pause=pause)
    assert " ".join(read(tmp_path, "a.srt", content).split()) == SAID


@each_case("size", [1, 2])
def test_short_lines_that_roll_and_stand_alone_are_read_once(tmp_path: Path, size: int) -> None:
    """The upper of two lines of one or two words goes before the next line comes."""
    words = SAID.split()
    lines = [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
    shown = [text for above, line in itertools.pairwise(lines) for text in (f"{above}\n{line}", line)]
    assert read(tmp_path, "a.vtt", vtt(*shown, seconds=0.4)) == SAID


def test_short_files_of_rolling_captions_are_read_once(tmp_path: Path) -> None:
    """Two cues are enough where they share a line."""
    assert (
        read(tmp_path, "a.srt", srt("we look at\nthe rivers of", "the rivers of\nthe north"))
        == "we look at the rivers of the north"
    )


@pytest.mark.parametrize("step", [1, 2])
def test_growing_lines_are_read_once(tmp_path: Path, step: int) -> None:
    """Each cue shows the words so far, and some more."""
    words = "We look at the rivers of the north and where they rise".split()
    shown = [" ".join(words[:end]) for end in range(1, len(words) + 1, step)]
    assert read(tmp_path, "a.vtt", vtt(*shown, seconds=0.4)) == shown[-1]


def test_growing_lines_of_several_speakers_are_read_once(tmp_path: Path) -> None:
    """The mark of another speaker begins one paragraph, however often it is shown."""
    shown = [">> HELLO", ">> HELLO THERE", ">> HELLO THERE\nYOU", "YOU\n>> BO: HI", "YOU\n>> BO: HI ANA"]
    assert read(tmp_path, "a.vtt", vtt(*shown)) == ">> HELLO THERE YOU\n\n>> BO: HI ANA"


def test_growing_lines_of_chinese_are_read_once(tmp_path: Path) -> None:
    """A character is a word there."""
    said = "今天我们看河流和源头"
    assert read(tmp_path, "a.vtt", vtt(*(said[:end] for end in range(1, len(said) + 1)))) == said


def test_growing_lines_that_wrap_and_roll_are_read_once(tmp_path: Path) -> None:
    """A line that is full moves up, and the next one grows."""
    shown = []
    for before, line in itertools.pairwise(["", *LINES[:5]]):
        words = line.split()
        shown += ["\n".join(filter(None, (before, " ".join(words[:end])))) for end in range(1, len(words) + 1)]
    assert read(tmp_path, "a.srt", srt(*shown, seconds=0.4)) == " ".join(LINES[:5])


@each_case(
    ("content", "said"),
    [
        (srt("We look at rivers.", "We look at rivers."), "We look at rivers."),
        (srt("Yes.", "Yes.", seconds=2.0, pause=-2.0), "Yes."),
        (srt("No.", "No."), "No. No."),
        (srt("Very good.", "Very good.", "Go on."), "Very good. Very good. Go on."),
        (
            vtt("<v Ana>I do not know why.", "<v Bo>I do not know why."),
            "Ana: I do not know why.\n\nBo: I do not know why.",
        ),
        (vtt("<v Ana>No.", "<v Bo>No."), "Ana: No.\n\nBo: No."),
        (srt("A la fourgonnette!", "A la fourgonnette!", pause=0.035), "A la fourgonnette! A la fourgonnette!"),
        (srt("I do not know why.", "I do not know why.", pause=0.04), "I do not know why. I do not know why."),
        (srt("Yes", "Yes I can."), "Yes Yes I can."),
        (srt("I think that", "that is right", "is right"), "I think that that is right is right"),
        (srt("No,", "no.", "Ah.", seconds=0.01, pause=0.01), "No, no. Ah."),
        (srt("Fine.", "Fine, go on.", seconds=0.0), "Fine. Fine, go on."),
        (srt("I know why,", "I know why."), "I know why, I know why."),
    ],
)
def test_identical_cues_and_words_that_are_said_twice(tmp_path: Path, content: str, said: str) -> None:
    """A long text that is shown on, or a text that is on the screen twice at a time, is said once; in doubt it is twice."""
    assert read(tmp_path, "a.vtt", content) == said


def test_a_short_sentence_of_a_long_talk_is_said_twice(tmp_path: Path) -> None:
    """One repetition in a hundred cues is an emphasis; a long text that is shown on is said once there, too."""
    long = "This is the longest of all sentences that are shown on."
    texts = [f"Sentence {number}." for number in range(200)]
    assert read(tmp_path, "a.srt", srt("You cannot do it.", "You cannot do it.", long, long, *texts)) == " ".join(
        ["You cannot do it.", "You cannot do it.", long, *texts]
    )


@each_case(
    ("text", "times"),
    [("こんにちは。", 2), ("ありがとうございます。", 2), ("สวัสดีครับ", 2), ("谢谢大家。", 2), ("今天我们看河流。", 1)],
)
def test_a_word_may_have_some_characters(tmp_path: Path, text: str, times: int) -> None:
    """A greeting of one or two words is said twice, as in English; a whole sentence that is shown on is said once."""
    assert read(tmp_path, "a.srt", srt(text, text)) == text * times


def test_a_sentence_with_another_one_between_is_said_twice(tmp_path: Path) -> None:
    """Cues that a translator left without a length: the second one does not show the first one's text on."""
    texts = ["Flip the last one once.", "Flip the last one twice.", "Flip the last one once."]
    spans = [(1.0, 2.0), (2.0, 2.0), (2.0, 2.0)]
    cues = [
        f"{clock(start, ',')} --> {clock(end, ',')}\n{text}\n" for text, (start, end) in zip(texts, spans, strict=True)
    ]
    assert read(tmp_path, "a.srt", "\n".join(cues)) == " ".join(texts)


def test_a_refrain_is_said_as_often_as_it_is_said(tmp_path: Path) -> None:
    """A line that begins again as the cue before ended is no rolling caption where nothing else rolls."""
    texts = [
        "It is hard.\nI have a dream",
        "I have a dream\nthat one day",
        "this nation",
        "will rise up",
        "and live out",
        "its creed",
    ]
    assert read(tmp_path, "a.srt", srt(*texts)) == " ".join(" ".join(texts).split())


def highlighted(sentence: str, *, plain_between: bool) -> list[str]:
    """Return the cues of Whisper's ``--highlight_words``."""
    words, cues = sentence.split(), []
    for index, word in enumerate(words):
        cues += [" ".join([*words[:index], f"<u>{word}</u>", *words[index + 1 :]])]
        cues += [sentence] if plain_between else []
    return cues


@each_case("plain_between", [True, False])
@each_case("label", ["", "[SPEAKER_00]: ", "Ana: "])
def test_highlighted_words_are_read_once(tmp_path: Path, label: str, *, plain_between: bool) -> None:
    """Each cue shows the whole sentence, and underlines one word after the other; a sentence said again is read again."""
    sentences = ["First we look at rivers.", "Then we stop.", "Then we stop.", "Thanks."]
    cues = [label + cue for sentence in sentences for cue in highlighted(sentence, plain_between=plain_between)]
    assert read(tmp_path, "a.vtt", vtt(*cues, seconds=0.4, pause=0.02)) == label + " ".join(sentences)


def test_youtube_captions_are_read_once(tmp_path: Path) -> None:
    """Two lines that roll, each word with its time, and a cue of 10 ms between."""
    content, start = ["WEBVTT", "Kind: captions", "Language: en", ""], 0.0
    for before, line in itertools.pairwise([" ", *LINES]):
        timed = "".join(f"<00:00:{start + 0.1 * n:06.3f}><c> {word}</c>" for n, word in enumerate(line.split()))
        content += [f"00:00:{start:06.3f} --> 00:00:{start + 2:06.3f} align:start position:0%", before, timed, ""]
        content += [f"00:00:{start + 2:06.3f} --> 00:00:{start + 2.01:06.3f} align:start position:0%", line, " ", ""]
        start += 2.01
    assert read(tmp_path, "a.vtt", "\n".join(content)) == SAID


@pytest.mark.slow_variants
@pytest.mark.parametrize("seed", range(8))
def test_edited_captions_of_a_speech_lose_no_word(tmp_path: Path, seed: int) -> None:
    """The control: a speech in cues of one and two lines, as people edit them, is read word by word."""
    chance, words = random.Random(seed), SAMPLE.split()
    cues = []
    while words:
        count = chance.randint(1, 12)
        cue, words = words[:count], words[count:]
        cut = chance.randint(0, len(cue))
        cues.append("\n".join(filter(None, (" ".join(cue[:cut]), " ".join(cue[cut:])))))
    text = read(tmp_path, "a.srt", srt(*cues, pause=chance.choice([0.0, 0.1, -0.1])))
    assert text.split() == SAMPLE.split()
