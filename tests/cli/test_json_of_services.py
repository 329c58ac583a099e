"""The JSON of speech services: read with its speakers and pauses, each word once, or refused before anything is paid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import read

if TYPE_CHECKING:
    from pathlib import Path


def timed(words: str, *, start_ms: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Return words as AssemblyAI writes them, 300 milliseconds each."""
    return [
        {"text": word, "start": start_ms + 300 * number, "end": start_ms + 300 * (number + 1), **more}
        for number, word in enumerate(words.split())
    ]


def test_times_in_milliseconds_are_no_seconds(tmp_path: Path) -> None:
    """A paragraph begins at a pause of two seconds, and not at every word."""
    words = [*timed("We look at rivers."), *timed("And then at hills.", start_ms=4000)]
    document = {
        "text": "We look at rivers. And then at hills.",
        "words": words,
        "utterances": None,
        "status": "completed",
    }
    assert read(tmp_path, "a.json", json.dumps(document)) == "We look at rivers.\n\nAnd then at hills."


def test_channels_are_speakers(tmp_path: Path) -> None:
    """Where each person has a channel, the words stand in the order of the talk."""
    channels = [
        {"alternatives": [{"transcript": "hello bye", "words": [{"word": "hello", "start": 0.1, "end": 0.4}, {"word": "bye", "start": 3.0, "end": 3.4}]}]},
        {"alternatives": [{"transcript": "hi", "words": [{"word": "hi", "start": 1.0, "end": 1.2}]}]},
    ]  # fmt: skip
    said = read(tmp_path, "a.json", json.dumps({"metadata": {"channels": 2}, "results": {"channels": channels}}))
    assert said == "Channel 1: hello\n\nChannel 2: hi\n\nChannel 1: bye"


def test_a_silent_channel_adds_nothing(tmp_path: Path) -> None:
    """The words of the other channel are no speaker's."""
    channels = [{"alternatives": [{"transcript": words, "words": []}]} for words in ("hello there", "")]
    assert read(tmp_path, "a.json", json.dumps({"results": {"channels": channels}})) == "hello there"


def test_people_who_speak_at_a_time_may_stand_in_another_order(tmp_path: Path) -> None:
    """The whole text has the words of a channel one after the other, the phrases stand by their times."""
    phrases = [
        {"channel": number % 2, "offsetMilliseconds": 500 * number, "text": word} for number, word in enumerate("abcd")
    ]
    whole = [{"channel": 0, "text": "a c"}, {"channel": 1, "text": "b d"}]
    assert read(tmp_path, "a.json", json.dumps({"combinedPhrases": whole, "phrases": phrases})) == "a b c d"


def test_words_that_the_text_has_not_are_refused(tmp_path: Path) -> None:
    """Words with speakers that differ from the text are refused; words without speakers are ignored."""
    document = {"text": "a b c", "words": timed("a c", speaker="A")}
    with pytest.raises(
        UnreadableTranscriptError, match="different words: 'text' goes on with 'b c' and 'words' goes on"
    ):
        read(tmp_path, "a.json", json.dumps(document))
    assert read(tmp_path, "a.json", json.dumps({"text": "a b c", "words": timed("a c")})) == "a b c"


@each_case(
    ("text", "segment", "differ"),
    [
        ("We look at rivers.", "We look at rivers. And at hills.", "'text' ends and 'segments' goes on with 'And at hills.'"),
        ("We look at rivers. And", "We look at rivers.", "'text' goes on with 'And' and 'segments' ends"),
        ("We can not see hills", "We cannot see all hills", "'text' goes on with 'hills' and 'segments' goes on with 'all hills'"),
    ],
    ids=["the text is cut off", "a segment is missing", "words are cut differently before"],
)  # fmt: skip
def test_different_words_are_named_from_the_first_difference(
    tmp_path: Path, text: str, segment: str, differ: str
) -> None:
    """Who has edited one of the two, or cut it off, is led to that place, and not to the beginning of the file."""
    document = {"text": text, "segments": [{"start": 0.0, "end": 2.0, "text": segment}]}
    with pytest.raises(UnreadableTranscriptError, match=f"different words: {differ}; remove one of them"):
        read(tmp_path, "a.json", json.dumps(document))


@each_case("name", ["output", "response", "data", "result"])
def test_a_transcript_within_an_answer_is_read(tmp_path: Path, name: str) -> None:
    """Services wrap what a recognizer wrote."""
    segments = [{"start": 0.0, "end": 2.0, "text": " Hello there."}]
    assert read(tmp_path, "a.json", json.dumps({"id": "x", name: {"segments": segments}})) == "Hello there."


def test_the_text_of_kaldi_is_read_with_its_marks(tmp_path: Path) -> None:
    """The BBC's Kaldi has each word without and with its marks, and the whole text with the marks."""
    words = [
        {"start": 1.0, "end": 1.2, "word": "we", "punct": "We", "index": 0},
        {"start": 1.2, "end": 1.5, "word": "go", "punct": "go.", "index": 1},
    ]
    answer = {"status": True, "punct": "We go.", "words": words, "segmentation": {"segments": []}}
    assert read(tmp_path, "a.json", json.dumps({"action": "audio-transcribe", "retval": answer})) == "We go."


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ({"start": 0.0, "end": 2.0, "text": "Hello.", "speaker": "A"}, "A: Hello."),
        ({"start": 0.0, "end": 2.0, "text": "Hello.", "speaker": 0}, "Speaker 0: Hello."),
        ({"start": 0, "end": 2500, "text": "Hello."}, "Hello."),
        ({"text": "Hello."}, "Hello."),
        ({"offsets": {"from": 0, "to": 900}, "text": " Hello."}, "Hello."),
        ({"timestamp": [0.0, None], "text": " Hello."}, "Hello."),
    ],
)
def test_the_speaker_and_the_times_of_a_segment_have_any_form(
    tmp_path: Path, segment: dict[str, Any], said: str
) -> None:
    """A speaker is a text or a number; times are seconds or milliseconds, or are missing."""
    (tmp_path / "a.json").write_text(json.dumps({"segments": [segment]}))
    assert read_transcript(tmp_path / "a.json").text == said


def test_a_mark_stands_directly_behind_the_only_word_of_a_turn(tmp_path: Path) -> None:
    """Rev's transcript has the spaces between words as marks; a turn of a single word has no space in it."""
    word, mark = {"type": "text", "value": "Yes", "ts": 0.1, "end_ts": 0.4}, {"type": "punct", "value": "."}
    more = {"type": "text", "value": "Good", "ts": 1.0, "end_ts": 1.2}
    turns = [{"speaker": 0, "elements": [word, mark]}, {"speaker": 1, "elements": [more, mark]}]
    path = tmp_path / "rev.json"
    path.write_text(json.dumps({"monologues": turns}), "utf-8")
    assert read_transcript(path).text == "Speaker 0: Yes.\n\nSpeaker 1: Good."


def test_the_punctuated_words_of_a_segment_are_one_text(tmp_path: Path) -> None:
    """A segment without a text of its own has its marks behind their words, too."""
    words = [{"text": "Yes"}, {"text": ",", "type": "punctuation"}, {"text": "sir"}, {"text": ".", "type": "punct"}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"segments": [{"start": 0, "end": 1, "words": words}]}), "utf-8")
    assert read_transcript(path).text == "Yes, sir."


_SEGMENTS = [{"start": 0.0, "end": 2.0, "text": " We look", "speaker": "Ana"}]
_WORDS = [{"word": "We", "start": 0.1, "end": 0.3}, {"word": "look", "start": 0.3, "end": 0.5}]
_NAMED = [word | {"speakerTag": 1} for word in _WORDS]


@each_case(
    ("document", "said"),
    [
        ({"text": "", "segments": _SEGMENTS, "language": "en"}, "Ana: We look"),  # Whisper, as programs put it together
        ({"text": "\n", "words": _WORDS, "language": "english"}, "We look"),  # OpenAI's service
        ({"text": "", "utterances": [{"speaker": "A", "text": "We look"}], "words": []}, "Speaker A: We look"),
        ({"results": {"channels": [{"alternatives": [{"transcript": "", "words": _WORDS}]}]}}, "We look"),  # Deepgram
        ({"combinedPhrases": [{"text": ""}], "phrases": [{"offsetMilliseconds": 0, "text": "We look"}]}, "We look"),
        ({"results": [{"alternatives": [{"transcript": "", "words": _NAMED}]}]}, "Speaker 1: We look"),  # Google
        ({"segments": [{"start": 0, "end": 1, "text": "", "words": _WORDS}]}, "We look"),
        ({"text": "", "transcript": "We look"}, "We look"),
    ],
)
def test_an_empty_text_takes_no_words_away(tmp_path: Path, document: dict[str, Any], said: str) -> None:
    """A service that leaves the whole text empty has the words in its segments, turns or words."""
    assert read(tmp_path, "a.json", json.dumps(document)) == said
