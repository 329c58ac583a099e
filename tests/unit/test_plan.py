"""Fingerprints that never change by themselves, and plans compared field by field."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st

from checkpoint_store.errors import Difference, InvalidArgumentError
from checkpoint_store.model.plan import Plan, compare, digest_of_fingerprints, fingerprint

# Frozen. A fingerprint in a store that was paid for must be found again: who changes the rule gives it a new version.
GOLDEN = {
    "empty text": ("", "1:b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733"),
    "text": ("We choose to go to the Moon.", "1:0cf879fcadaa4d621d37d1ef6f12464b9cb7240ebed97b5737183c890d7a0f28"),
    "letters": ("Mond 月 🚀", "1:4048d857122770f361c31cd0dade6d5f9687dad72af3b847e585654be318a296"),
    "lone surrogate": ("a\ud800", "1:cf3959243c9fc69de3534e5f579de95a249e93c00805941d50fcb71a400c9654"),
    "no bytes": (b"", "1:95cc8e8ec552664096b998c62dfd5dfd0a41c96154de6814d918d1ca34bfc225"),
    "bytes": (b"We choose to go to the Moon.", "1:d96417ad911acc173a060d639b519af90a71f2795f9fbbd7166d3a2e5be9decb"),
    "null": (None, "1:af8d1731894f4c80db08e4e4d0c370d720679e6175e16a6d1bbb7e48e7301098"),
    "true": (True, "1:e5473e87f7b7f18bae0053b57c25272ce98bbb50f574df1914120bdb0bca7f69"),
    "one": (1, "1:facc66e112531ce092d1b6b665feabbd8201bae41408feb904e31e9a546a5598"),
    "one point": (1.0, "1:e3b4169a0073c42c4c4d48f5e116e436a41ec3305128ab7c9e94211fd07c9c18"),
    "large": (1e22, "1:65713d0160ad76a5ecf86455fc4c244c534a173167a212e6edbcab7d38604002"),
    "minus zero": (-0.0, "1:d36bfbc360b6f1e7b01852e3b848cc2f005158888bef5b8a953b247ce559e859"),
    "empty list": ([], "1:262d33c73e25099eef67af621c49d22c4668be35652980fcb2a91d4d54cd5f30"),
    "empty object": ({}, "1:9cdddd37e21250a04bdad94e1ff2e1e22149e6720181989b685effdbeb4bffd8"),
    "data": (
        {"b": [1, 2.5, None, True, "ü"], "a": {"z": 1, "y": 2}},
        "1:729d348e2a465c0c26b6dcfe5b729d2e2471d325197a563c657ec80e422d21aa",
    ),
    "list of text": (["We choose"], "1:69480e28c783fc4e028ade911be127809316e6c421b3251de21ca341c4e18779"),
}
DIGEST_OF_NONE = "1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
DIGEST_OF_A_AND_B = "1:e1fa2ed4466cc8b31d309875eeb71ba06ec47073bff5780e81b3d2b0c589ff86"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@dataclass
class Piece:
    """A chunk as a splitter makes it."""

    text: str
    start_seconds: float = 0.0


# -- fingerprints


@each_case("kind", GOLDEN)
def test_golden_values(kind: str) -> None:
    """The fingerprint of a chunk is the one that it had in the first release."""
    chunk, expected = GOLDEN[kind]
    assert expected == fingerprint(chunk)


def test_golden_values_are_all_different() -> None:
    """Text, bytes, numbers and JSON data that look alike are different chunks."""
    fingerprints = [expected for _, expected in GOLDEN.values()]
    assert len(fingerprints) == len(set(fingerprints))


def test_the_rule_is_what_it_says() -> None:
    """A fingerprint is its rule and the SHA-256 of the kind, a line end and the canonical bytes."""
    by_hand = hashlib.sha256(b"text\n" + "Mond 月".encode()).hexdigest()
    assert f"1:{by_hand}" == fingerprint("Mond 月")
    by_hand = hashlib.sha256(b'json\n{"a":[1,"\\u00fc"],"b":null}').hexdigest()
    assert f"1:{by_hand}" == fingerprint({"b": None, "a": [1, "ü"]})


def test_the_same_in_another_process() -> None:
    """Another process with another hash seed and the C locale makes the same fingerprints."""
    code = (
        "import json, sys; from checkpoint_store.model.plan import fingerprint;"
        "print(json.dumps([fingerprint(chunk) for chunk in json.load(sys.stdin)]))"
    )
    chunks = [chunk for chunk, _ in GOLDEN.values() if not isinstance(chunk, bytes)]
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(chunks),
        env={**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [fingerprint(chunk) for chunk in chunks] == json.loads(run.stdout)


@given(json_values)
def test_key_order_does_not_matter(value: Any) -> None:
    """JSON data has the same fingerprint in whatever order its keys were put in."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert fingerprint(value) == fingerprint(turned(value))


@given(json_values, json_values)
def test_different_data_differs(one: Any, other: Any) -> None:
    """Two chunks have one fingerprint only where they are the same JSON."""
    same = type(one) is type(other) and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert same == (fingerprint(one) == fingerprint(other))


@each_case("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind(kind: Any) -> None:
    """Bytes, a bytearray and a memoryview with the same content are the same chunk."""
    assert fingerprint(b"abc") == fingerprint(kind(b"abc"))


def test_a_tuple_is_a_list() -> None:
    """A tuple counts as the list that its JSON form is."""
    assert fingerprint([1, ["a"]]) == fingerprint((1, ("a",)))


def test_a_callable_says_what_identifies_a_chunk() -> None:
    """With a function of one's own any chunk has a fingerprint: that of what the function returns."""
    chunk = SimpleNamespace(path="a.wav", size_bytes=5)
    assert fingerprint(["a.wav", 5]) == fingerprint(chunk, lambda one: [one.path, one.size_bytes])
    assert fingerprint(Piece("a")) == fingerprint({"text": "b"}, lambda _: Piece("a"))


def test_a_callable_that_forgets_to_return() -> None:
    """A function that returns None would make all chunks alike, and is refused."""
    with pytest.raises(InvalidArgumentError, match="returned None") as caught:
        fingerprint("a", lambda _: None)
    assert caught.value.name == "fingerprint"


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]
NO_CHUNKS = [
    object(),
    {1, 2},
    {"a": object()},
    {"a": {1}},
    [float("nan")],
    float("inf"),
    {1: "a", "1": "b"},
    10**5000,
    {1: "a"},
    SimpleNamespace(text="a"),
    memoryview(b"abcd").cast("i"),
    lambda: "a",
    LOOP,
]


@each_case("at", range(len(NO_CHUNKS)))
def test_what_has_no_content_is_refused(at: int) -> None:
    """A chunk whose content cannot be told is an error that says what to give, never a fingerprint of something else."""
    with pytest.raises(InvalidArgumentError, match="fingerprint= function") as caught:
        fingerprint(NO_CHUNKS[at])
    assert caught.value.name == "chunks"


def test_a_plan_of_many_chunks() -> None:
    """The digest of all fingerprints is frozen too, and depends on each and on their order."""
    a, b = fingerprint("a"), fingerprint("b")
    assert digest_of_fingerprints(iter([])) == DIGEST_OF_NONE
    assert digest_of_fingerprints(iter([a, b])) == DIGEST_OF_A_AND_B
    assert digest_of_fingerprints([b, a]) != DIGEST_OF_A_AND_B
    assert digest_of_fingerprints([a + b]) != DIGEST_OF_A_AND_B


# -- comparing

PLAN = Plan("talk.srt", 3, "small", "local", {"chunk_size": 2000, "stop": ["<eos>"]}, "1:" + "a" * 64)


def test_the_same_plan() -> None:
    """Equal plans have no differences, whatever the order of their config."""
    assert compare(PLAN, PLAN) == []
    assert compare(PLAN, replace(PLAN, config={"stop": ["<eos>"], "chunk_size": 2000})) == []


def test_every_field_is_named_with_both_values() -> None:
    """Each field that differs is named once, in a fixed order, with the old value and the new one."""
    other = Plan("lecture.srt", 4, None, "cloud", {"chunk_size": 1000, "language": "en"}, "1:" + "b" * 64)
    expected = [
        Difference("file_name", "'talk.srt'", "'lecture.srt'"),
        Difference("model", "'small'", "None"),
        Difference("provider", "'local'", "'cloud'"),
        Difference("total_chunks", "3", "4"),
        Difference("config.chunk_size", "2000", "1000"),
        Difference("config.stop", "['<eos>']", "(absent)"),
        Difference("config.language", "(absent)", "'en'"),
        Difference("chunks", f"3 chunks with digest 1:{'a' * 12}", f"4 chunks with digest 1:{'b' * 12}"),
    ]
    assert expected == compare(PLAN, other)


@each_case(("old", "new"), [(1, True), (0, False), (0.5, 1), (None, "None"), ("1", 1), ([1], [True])])
def test_values_of_different_types_differ(old: object, new: object) -> None:
    """Values that Python calls equal and JSON does not are a difference."""
    assert [found.field for found in compare(replace(PLAN, config={"a": old}), replace(PLAN, config={"a": new}))] == [
        "config.a"
    ]


@each_case("unknown", [(None, "1:b"), ("1:b", None), (None, None)])
def test_chunks_are_compared_where_both_are_known(unknown: tuple[str | None, str | None]) -> None:
    """A plan by number of chunks alone equals one whose chunks are known."""
    old, new = (replace(PLAN, chunks_digest=digest) for digest in unknown)
    assert compare(old, new) == []


def test_long_values_are_shortened() -> None:
    """Long values are shortened, and what is shown of them tells them apart."""
    start = "You clean transcripts. " * 200
    pairs = [("a" * 500, "b" * 500), (start + "Be terse.", start + "Be kind."), (start, start + "!"), ("a", start)]
    for old, new in pairs:
        (found,) = compare(replace(PLAN, config={"prompt": old}), replace(PLAN, config={"prompt": new}))
        assert max(len(found.old), len(found.new)) <= 80
        assert found.old != found.new
        assert "…" in found.old + found.new
