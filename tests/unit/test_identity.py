"""What identifies a chunk, and which settings are the same: the rules of a plan, by its parts."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import os
import subprocess
import sys
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from each_case import each_case
from pydantic import BaseModel, ConfigDict

from checkpoint_store.errors import InvalidArgumentError, SecretInConfig
from checkpoint_store.model.codec.secrets import reject_secrets
from checkpoint_store.model.plan import Plan, compare, fingerprint, same_settings


class Language(enum.Enum):
    EN = "en"
    DE = "de"


@dataclass
class Piece:
    text: str
    index: int = 0
    speaker: str = "Ann"
    chunk_index: int = 0
    data: Any = None


class Question(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str
    question: str
    index: int = 0


@dataclass
class Nested:
    inner: Piece
    models: list[Question] = field(default_factory=list)


# -- objects


def test_every_field_of_a_chunk_counts_but_its_place() -> None:
    """Another question, speaker or language makes another chunk; another position does not."""
    assert fingerprint(Question(text="doc", question="a")) != fingerprint(Question(text="doc", question="b"))
    assert fingerprint(Piece("a", speaker="Ann")) != fingerprint(Piece("a", speaker="Bob"))
    assert fingerprint(Piece("a", index=1, chunk_index=1)) == fingerprint(Piece("a", index=7, chunk_index=9))
    assert fingerprint(Question(text="a", question="b", index=1)) == fingerprint(Question(text="a", question="b"))


def test_only_the_places_of_the_chunk_itself_are_left_out() -> None:
    """What a chunk holds counts whole: an index in it may be what it is about."""
    one, other = Nested(Piece("a", index=1)), Nested(Piece("a", index=2))
    assert fingerprint(one) != fingerprint(other)
    asked = [Question(text="a", question="b", index=index) for index in (1, 2)]
    assert fingerprint(Nested(Piece("a"), [asked[0]])) != fingerprint(Nested(Piece("a"), [asked[1]]))
    assert fingerprint({"text": "a", "index": 1}) != fingerprint({"text": "a", "index": 2})


def test_extra_fields_of_a_model_count() -> None:
    """A model that takes any field has those that were given."""
    assert fingerprint(Question(text="a", question="b", tone="warm")) != fingerprint(Question(text="a", question="b"))


def test_an_object_is_not_what_it_holds() -> None:
    """A dataclass with one text is another chunk than the text, or than a dict of its fields."""

    @dataclass
    class Only:
        text: str

    assert len({fingerprint(chunk) for chunk in ("a", {"text": "a"}, Only("a"))}) == 3


def test_the_same_in_another_process() -> None:
    """Objects, dates and enums have one fingerprint whatever the hash seed, the locale and the order of fields."""
    code = """
import dataclasses, datetime, decimal, enum
from checkpoint_store.model.plan import fingerprint
Tone = enum.Enum("Tone", {"WARM": "warm"})
Chunk = dataclasses.make_dataclass("Chunk", ["speaker", "text", "at", "price", "tone"])
print(fingerprint(Chunk("Ann", "a", datetime.date(2024, 1, 2), decimal.Decimal("1.50"), Tone.WARM)))
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    fields = {"at": "2024-01-02", "price": "1.50", "speaker": "Ann", "text": "a", "tone": "warm"}

    @dataclass
    class Chunk:
        text: str = fields["text"]
        tone: str = fields["tone"]
        speaker: str = fields["speaker"]
        price: str = fields["price"]
        at: str = fields["at"]

    assert printed == {fingerprint(Chunk())}


# -- what may stand in a chunk


@each_case(
    ("value", "text"),
    [
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.UTC), "2024-01-02T03:04:00+00:00"),
        (dt.time(3, 4), "03:04:00"),
        (UUID("0b5e8f3e-0000-4000-8000-000000000001"), "0b5e8f3e-0000-4000-8000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (Decimal("1.50"), "1.50"),
        (Language.EN, "en"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_have_one_text_count_by_it(value: Any, text: str) -> None:
    """A date, a path or another value with a text counts by its text, in rows, lists and fields."""
    assert fingerprint(Piece("a", data=value)) == fingerprint(Piece("a", data=text))
    assert fingerprint({"at": [value]})[2:] == fingerprint({"at": [text]})[2:]


def test_subclasses_of_json_types_are_what_they_are() -> None:
    """An ordered dict, an enum that is a text, and a tuple count as JSON writes them."""

    class Tone(enum.StrEnum):
        WARM = "warm"

    assert fingerprint({"a": "warm", "b": [1]}) == fingerprint(OrderedDict(b=(1,), a=Tone.WARM))


@each_case(
    ("chunk", "place"),
    [
        ({"rows": [{"score": float("nan")}]}, "chunk 4321['rows'][0]['score'] is nan"),
        ({"score": -float("inf")}, "chunk 4321['score'] is -inf"),
        ({"tags": {"a"}}, "chunk 4321['tags'] is of type set"),
        ({"audio": b"abc"}, "chunk 4321['audio'] is of type bytes"),
        ({"a": {1: "x"}}, "chunk 4321['a'] has the key 1 of type int"),
        ([1, object()], "chunk 4321[1] is of type object"),
        ({"n": 10**5000}, "chunk 4321['n'] is an integer of more than 4,300 digits"),
        (Piece("a", data=SimpleNamespace(b=1)), "chunk 4321.data is of type types.SimpleNamespace"),
        (Nested(Piece("a", data=[{1, 2}])), "chunk 4321.inner.data[0] is of type set"),
        (SimpleNamespace(text="a"), "chunk 4321 is of type types.SimpleNamespace"),
        (array("i", [1, 2]), "chunk 4321 is of type array.array"),
        (dt.date(2024, 1, 2), "chunk 4321 is of type datetime.date"),
        (memoryview(b"abcd").cast("i"), "chunk 4321 is a memoryview"),
        (Piece, "chunk 4321 is of type type"),
    ],
)
def test_a_refusal_names_the_chunk_the_key_and_the_reason(chunk: Any, place: str) -> None:
    """Among five thousand rows the one with a set in it is found by what the error says."""
    with pytest.raises(InvalidArgumentError) as caught:
        fingerprint(chunk, index=4321)
    assert place in str(caught.value)
    assert "fingerprint= function" in str(caught.value)
    assert caught.value.name == "chunks"


def test_a_refusal_of_what_a_function_returned_says_so() -> None:
    """The place is one in what the function gave, not in the chunk."""
    with pytest.raises(InvalidArgumentError, match=r"what fingerprint= returned for chunk 3\['b'\] is of type set"):
        fingerprint("a", lambda _: {"b": {1}}, index=3)


# -- rule 1


def test_rule_1_stays_for_jobs_that_were_made_with_it() -> None:
    """A job that was made with the first rule of fingerprints keeps it, for values that the rule identifies."""
    assert fingerprint(Piece("a", speaker="Bob"), rule=1) == fingerprint("a")
    assert fingerprint(SimpleNamespace(text=None, data=b"x"), rule=1) == fingerprint(b"x")
    assert fingerprint({"a": [1, None]}, rule=1) == fingerprint({"a": [1, None]})

    @dataclass
    class Other:
        body: str

    assert fingerprint(Other("a"), rule=1) == fingerprint(Other("a"))


def test_a_fingerprint_names_the_first_rule_that_gives_it() -> None:
    """Text, bytes and JSON data kept theirs; objects, and data with dates in it, have them since rule 2."""
    assert [fingerprint(chunk)[:2] for chunk in ("a", b"a", {"a": 1}, None)] == ["1:"] * 4
    assert [fingerprint(chunk)[:2] for chunk in (Piece("a"), {"a": dt.date(2024, 1, 2)})] == ["2:"] * 2


def test_the_fingerprint_of_an_object_is_frozen() -> None:
    """A result that was paid for must be found again by every later version."""
    fields = b'fields\n{"data":null,"speaker":"Ann","text":"a"}'
    assert fingerprint(Piece("a", index=3)) == f"2:{hashlib.sha256(fields).hexdigest()}"


# -- settings

PLAN = Plan("talk.srt", 3, "m", "p", {"temperature": 0, "prompt": "Be kind.", "stop": {"words": ["a"]}})


@each_case(
    "config",
    [
        {"temperature": 0.0},
        {"temperature": -0.0},
        {"seed": None},
        {"stop": {"words": ["a"], "limit": None}},
    ],
)
def test_settings_that_mean_the_same_are_the_same(config: dict[str, Any]) -> None:
    """0, 0.0 and -0.0; a key that is absent, or None; in any depth, and in any order of the keys."""
    other = replace(PLAN, config=dict(reversed((dict(PLAN.config) | config).items())))
    assert (compare(PLAN, other), compare(other, PLAN)) == ([], [])
    assert same_settings(PLAN, other)


@each_case(
    ("config", "field"),
    [
        ({"temperature": False}, "config.temperature"),
        ({"temperature": "0"}, "config.temperature"),
        ({"temperature": None}, "config.temperature"),
        ({"stop": {"words": ["a", None]}}, "config.stop"),
        ({"seed": 0}, "config.seed"),
        ({"prompt": "Be kind. "}, "config.prompt"),
    ],
)
def test_settings_that_mean_something_else_differ(config: dict[str, Any], field: str) -> None:
    """False is not 0, None is not 0, and each letter of a prompt counts."""
    other = replace(PLAN, config=PLAN.config | config)
    assert [difference.field for difference in compare(PLAN, other)] == [field]
    assert not same_settings(PLAN, other)
    assert same_settings(PLAN, other, {field})
    assert same_settings(PLAN, other, {"config"})
    assert not same_settings(PLAN, other, {"model", "provider", "config.other"})


def test_an_inner_setting_may_be_passed_over() -> None:
    """``config.stop.words`` is one key of the object ``config.stop``."""
    other = replace(PLAN, config=PLAN.config | {"stop": {"words": ["b"]}})
    assert same_settings(PLAN, other, {"config.stop.words"})
    assert not same_settings(PLAN, replace(other, model="n"), {"config.stop.words"})
    assert same_settings(PLAN, replace(other, model="n"), {"config.stop.words", "model"})


def test_names_and_chunks_are_no_settings() -> None:
    """Results are reused across files and numbers of chunks."""
    assert same_settings(PLAN, replace(PLAN, file_name="other", total_chunks=9, chunks_digest="1:x"))


@each_case(
    "prompt",
    [
        "If the mail says Authorization: granted, answer yes.",
        "Find the line that begins with Authorization: and summarise it.",
        'Write "Authorization: required" above the form.',
    ],
)
def test_a_prompt_may_speak_of_authorization(prompt: str) -> None:
    """Words behind "Authorization:" are no secret; a credential there is one."""
    reject_secrets({"prompt": prompt})
    for credential in ("Bearer abcDEF123456", "dXNlcjpwYXNzd29yZA==", "Basic dXNlcjpwYXNz"):
        with pytest.raises(SecretInConfig):
            reject_secrets({"prompt": f"{prompt} Authorization: {credential}"})
