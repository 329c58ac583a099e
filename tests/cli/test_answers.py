"""What comes back from COMMAND: an error or half an answer is never recorded as the text of a chunk."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store.cli.run.command.answer import AnswerReader, UnusableAnswerError

from .conftest import SIX, Folder

PROSE = "We choose to go to the moon."
READER = AnswerReader()
CUT_OFF = [
    '{"cleaned_text": "We choose to',
    '{"cleaned_text": "x", "cost": 0.1',
    "{",
    '{"error": "rate lim',
    '```json\n{"cleaned_text": "We choose',
    '[{"error": {"code": 503',
    '{"cleaned_text": "x"}}',
    "{'error': 'a dict of Python'}",
]
WITHOUT_TEXT = [
    '{"error": "rate limit reached"}',
    '{"error": {"message": "overloaded", "code": 529}}',
    '{"text": "We choose to go."}',
    '{"cleaned_text": null}',
    '{"cleaned_text": ["We"]}',
    '{"cleaned_text": "", "error": "the model refused"}',
    "{}",
    '[{"error": {"code": 503, "message": "unavailable"}}]',
    '```json\n{"error": "x"}\n```',
    '\ufeff{"error": "x"}',
]
SPEECH = [
    "[laughter] We choose to go.",
    "{sic} We choose to go.",
    "{\\an8}We choose",
    "[1] A footnote.",
    "{ We choose } to go",
    "```\nprint('x')\n```",
    'He said: {"error": "x"}.',
    '"quoted"',
    "[END]",
    "()",
    "404",
    "null",
]


@each_case("stdout", [*CUT_OFF, *WITHOUT_TEXT, "", " \n"])
def test_what_is_no_answer_is_refused(stdout: str) -> None:
    """Half a JSON object, an error, JSON without the text, nothing: each fails the chunk."""
    with pytest.raises(UnusableAnswerError, match="printed"):
        READER.read(stdout, PROSE)


@each_case(
    ("stdout", "is_other"),
    [
        ('{"text": "x"}', True),
        ('{"choices": [{"text": "x"}]}', True),
        ('{"choices": [{"message": ["x"]}]}', True),
        ('{"choices": ["x"]}', True),
        ('[{"text": "x"}]', True),
        ('{"text": "x"}\n{"text": "y"}', True),
        ('{"error": "x"}', False),
        ('{"choices": [{"message": null}]}', False),
        ('{"choices": []}', False),
        ("{}", False),
        ('[{"error": "x"}]', False),
        ('{"error": "x"}\n{"error": "y"}', False),
        ('{"text": "x', False),
        ("", False),
    ],
)
def test_whether_a_field_may_be_named_wrongly_is_told_from_a_bad_answer(stdout: str, is_other: bool) -> None:
    """Whole JSON without a place for the text is of another form; an error, a half, null and nothing are not."""
    with pytest.raises(UnusableAnswerError) as refused:
        AnswerReader("choices.0.message").read(stdout, PROSE)
    assert refused.value.has_other_form is is_other


@each_case("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_an_odd_number_takes_no_answer_away(number: str) -> None:
    """A number that JSON cannot hold is recorded as null: the text beside it was paid for."""
    printed = f'{{"cleaned_text": "We choose.", "cost": {number}, "usage": {{"seconds": [0.5, {number}]}}}}'
    fields = {"cleaned_text": "We choose.", "cost": None, "usage": {"seconds": [0.5, None]}}
    assert READER.read(printed, PROSE) == fields


def test_half_a_character_takes_no_answer_away() -> None:
    """An answer that ends within an emoji, and names its tokens, is recorded with the sign for a damaged character."""
    printed = r'{"cleaned_text": "Fine \ud83d\ude00 \ud83d", "tokens": [{"\udE00": "\ud83d"}, "\\ud83d"], "cost": 1}'
    fields = {"cleaned_text": "Fine \U0001f600 \ufffd", "tokens": [{"\ufffd": "\ufffd"}, r"\ud83d"], "cost": 1}
    assert READER.read(printed, PROSE) == fields


@each_case("stdout", SPEECH)
def test_speech_in_brackets_is_speech(stdout: str) -> None:
    """What only begins like JSON is the text, as it was printed."""
    assert READER.read(f"{stdout}\n", PROSE) == {"cleaned_text": stdout}


@each_case("fence", ["```json\n{}\n```", "```\n{}\n```", "```JSON\n{}\n```\n", "\n```json  \n{}```", "{}"])
def test_a_fenced_object_is_read_as_what_it_is(fence: str) -> None:
    """Models put a fence around their JSON; the result is the object, its text holds no fence."""
    value = {"cleaned_text": "We choose ``` to go.", "cost": 0.5}
    assert READER.read(fence.replace("{}", json.dumps(value)), PROSE) == value
    pretty = json.dumps(value, indent=2)
    assert READER.read(fence.replace("{}", pretty), PROSE) == value


@each_case(
    "chunk", ['{"a": 1}', '[{"a": 1}]', '{"a": [1,', "[1, 2]", '```json\n{"a": 1}\n```', '{\n  "half": "of it",']
)
@each_case("stdout", ['{"a": 2}', '{"error": "of the record"}', '{"a": [1,', "{}", "[3]"])
def test_json_is_the_answer_to_json(chunk: str, stdout: str) -> None:
    """A chunk of a JSON file comes back as JSON, or as a part of it."""
    assert READER.read(stdout, chunk) == {"cleaned_text": stdout}


@each_case(
    ("field", "value"),
    [
        ("text", {"text": "Yes."}),
        ("choices.0.message.content", {"choices": [{"message": {"content": "Yes."}}], "usage": {"cost": 1}}),
        ("response", {"response": "Yes.", "done": True, "cleaned_text": "old"}),
        ("a.b", {"a.b": "Yes."}),
    ],
)
def test_the_field_of_the_text_can_be_named(field: str, value: dict[str, Any]) -> None:
    """The text is taken from it, and the object is kept whole beside."""
    fields = AnswerReader(field).read(json.dumps(value), PROSE)
    assert fields == value | {"cleaned_text": "Yes."}
    with pytest.raises(UnusableAnswerError, match="has 'other'"):
        AnswerReader(field).read('{"other": "Yes."}', PROSE)


@each_case(
    ("found", "kind"),
    [
        ("5", "a number"),
        ("0.5", "a number"),
        ("true", "true or false"),
        ("null", "null"),
        ('["Yes."]', "a list"),
        ("{}", "an object"),
    ],
)
def test_a_field_that_has_no_text_is_called_by_what_it_has(found: str, kind: str) -> None:
    """Where the field of the text is there, the message says what its value is, and not that the field is missing."""
    with pytest.raises(UnusableAnswerError, match=f"with {kind} as 'cleaned_text', and no text "):
        READER.read(f'{{"cleaned_text": {found}}}', PROSE)


def test_the_field_of_the_text_may_stand_in_a_list() -> None:
    """The items are kept by their numbers, where a dotted path such as 0.cost finds them."""
    reader = AnswerReader("0.generated_text")
    items = [{"generated_text": "Yes.", "cost": 0.5}, "more"]
    assert reader.read(json.dumps(items), PROSE) == {"0": items[0], "1": "more", "cleaned_text": "Yes."}
    assert AnswerReader("0").read('["Yes."]', PROSE) == {"0": "Yes.", "cleaned_text": "Yes."}
    assert READER.read('["Yes."]', PROSE) == {"cleaned_text": '["Yes."]'}


@each_case("stdout", ["{broken", "[laughter] Yes.", "<html>502 Bad Gateway", "<!DOCTYPE html>\n<p>502</p>"])
@each_case("field", ["text", "0.generated_text"])
@each_case("chunk", [PROSE, '"a line"'])
def test_where_a_field_is_named_rubbish_is_no_answer(stdout: str, field: str, chunk: str) -> None:
    """Who names a field calls a program that prints JSON: JSON that is broken, or a proxy's page, is not its text."""
    with pytest.raises(UnusableAnswerError, match="--raw") as refused:
        AnswerReader(field).read(stdout, chunk)
    assert not refused.value.has_other_form, "the next answer may be well"
    assert AnswerReader(field).read("Yes.", chunk) == {"cleaned_text": "Yes."}


@each_case(
    ("stdout", "is_other"),
    [
        ('[{"text": "x"}]', True),
        ('{"generated_text": "x"}', True),
        ('["x"]', True),
        ("[]", False),
        ('[{"generated_text": null}]', False),
        ('[{"generated_text": "", "error": "busy"}]', False),
        ('["x', False),
    ],
)
def test_a_list_without_the_text_is_no_answer(stdout: str, is_other: bool) -> None:
    """Another list, an object, an error in the list, and half a list are told apart as with objects."""
    with pytest.raises(UnusableAnswerError, match="printed") as refused:
        AnswerReader("0.generated_text").read(stdout, PROSE)
    assert refused.value.has_other_form is is_other


@each_case("path", ["choices.1.text", "choices.x.text", "choices.0.text.more", "usage", "choices"])
def test_a_path_that_leads_to_no_text_is_named(path: str) -> None:
    """A typo in the path is said with the fields that there are."""
    with pytest.raises(UnusableAnswerError, match=f"{path!r}; it has 'choices', 'usage'"):
        AnswerReader(path).read('{"choices": [{"text": "x"}], "usage": 3}', PROSE)


@each_case("stdout", [*CUT_OFF, *WITHOUT_TEXT, *SPEECH, "", "  two \n\n"])
def test_raw_takes_every_character(stdout: str) -> None:
    """With --raw nothing is read into what was printed, and nothing is taken off it."""
    assert AnswerReader(raw=True).read(stdout, PROSE) == {"cleaned_text": stdout}


# -- the command

ANSWERS_ERROR_ONCE = program(__file__, "answer_error_once")


@pytest.mark.slow
def test_an_error_with_exit_0_is_tried_again(lecture: Folder) -> None:
    """A client that prints its error and ends well is asked once more, and its error is in no text."""
    lecture.run("run", "lecture.txt", *SIX, "--retries", 1, *lecture.command(ANSWERS_ERROR_ONCE))
    assert len(lecture.calls()) == 7
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


def test_without_retries_the_run_ends_and_says_what_was_printed(lecture: Folder) -> None:
    """Exit 1, the message of the service, and the same line goes on with that chunk."""
    words = ("run", "lecture.txt", *SIX, *lecture.command(ANSWERS_ERROR_ONCE))
    done = lecture.run(*words, code=1)
    assert 'printed an error: {"message": "overloaded"}' in done.stderr
    assert "3 of 6 chunks done and safe" in done.stderr
    lecture.run(*words)
    assert len(lecture.calls()) == 7
    with closing(sqlite3.connect(lecture.path / ".processing_state.db")) as raw:
        assert raw.execute("SELECT count(*) FROM chunk_results WHERE result LIKE '%overloaded%'").fetchone() == (0,)


@pytest.mark.slow
def test_the_remedy_is_in_the_message(lecture: Folder) -> None:
    """Whose program calls the text otherwise reads which option names it, and the run with it goes through."""
    answer = """import sys; print('{"response": "Yes.", "cost": 0.5}')"""
    done = lecture.run("run", "lecture.txt", *SIX, *lecture.command(answer), code=1)
    assert "without a text as 'cleaned_text'; it has 'response', 'cost'" in done.stderr
    assert "--result-field" in done.stderr
    assert "--raw" in done.stderr
    report = lecture.json("run", "lecture.txt", *SIX, "--result-field", "response", *lecture.command(answer))
    assert report["jobs"][0]["cost"] == 3.0
    assert lecture.read("lecture.cleaned.txt") == "\n\n".join(["Yes."] * 6) + "\n"
    assert lecture.json("show")["config"]["result_field"] == "response"


def test_a_list_is_read_and_its_cost_counts(lecture: Folder) -> None:
    """The text and the cost of a service that answers with a list are read by the names of their places."""
    answer = """import sys; sys.stdin.read(); print('[{"generated_text": "Yes.", "cost": 0.5}]')"""
    words = ("--result-field", "0.generated_text", "--cost", "0.cost", "--max-cost", 9)
    report = lecture.json("run", "lecture.txt", *SIX, *words, *lecture.command(answer))
    assert report["jobs"][0]["cost"] == 3.0
    assert lecture.read("lecture.cleaned.txt") == "\n\n".join(["Yes."] * 6) + "\n"


def test_raw_output_is_written_as_it_was_printed(lecture: Folder) -> None:
    """Every character that the program printed, between what stood between the chunks."""
    source = "import sys; sys.stdout.write(' {\"a\": ' + sys.stdin.read() + ' \\n')"
    lecture.run("run", "lecture.txt", *SIX, "--raw", *lecture.command(source))
    paragraphs = lecture.read("lecture.txt").split("\n\n")
    assert lecture.read("lecture.cleaned.txt") == "\n\n".join(f' {{"a": {text} \n' for text in paragraphs)


@each_case(
    ("words", "message"),
    [
        (["--raw"], "--raw is for a COMMAND"),
        (["--result-field", "text"], "--result-field is for a COMMAND"),
        (["--raw", "--result-field", "text", "--", "cat"], "--raw and --result-field exclude each other"),
        (["--result-field", "a..b", "--", "cat"], "neither a field nor a dotted path"),
    ],
)
def test_options_that_do_not_go_together_are_refused(lecture: Folder, words: list[str], message: str) -> None:
    """Exit 2 before any work, and no store is made."""
    before = lecture.files()
    assert message in lecture.run("run", "lecture.txt", *words, code=2).stderr
    assert lecture.files() == before
