"""One damaged byte, anywhere in a state file: each result that is read is the one of its chunk, as it was."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from checkpoint_store.errors import StateFormatError
from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.model.state.state_text import state_text
from checkpoint_store.model.state.torn_state import read_torn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DONE: Final = [3, 0, 15, 1, 27]
STATE: Final = ProcessingState(
    job_id="7c9e6679",
    status="paused",
    file_name="a, b.txt",
    total_chunks=28,
    completed_chunks=DONE,
    started_at="2026-01-01T00:00:00Z",
    updated_at="2026-01-01T00:00:00Z",
    config={"sizes": [12, 34]},
)
KINDS: Final[dict[str, list[Any]]] = {
    "with their chunks": [{"chunk_index": index, "t": f"r{index}"} for index in DONE],
    "without": [{"t": f"r{index}", "cost": 12} for index in DONE],
    "texts": ["ab, cd", "e, 5, f", 'say "x, y"', "[1], 2", "{}"],
    "numbers": [12345, 67890, 11, 22, 33],
    "lists": [[12, [34, 56]], [[12, 34], 56], [], [["a, b"], 78], [90, 12]],
}
STRUCTURE: Final = b'\0\n "\\,[]{}1\xff'


def native(results: list[Any]) -> str:
    texts = [json.dumps(result) for result in results]
    return "".join(state_text(STATE, [DONE], [texts], [DONE], []))


def pretty(results: list[Any]) -> str:
    return STATE.replace(processed_results=results, result_indices=DONE).to_json()


def of_the_plan(results: list[Any]) -> str:
    fields = STATE.replace(version="1.0", processed_results=results, result_indices=DONE).to_dict()
    for later in ("result_indices", "metadata", "redo_chunks"):
        del fields[later]
    return json.dumps(fields, indent=2)


LAYOUTS: Final = {"native": native, "pretty": pretty, "of the plan": of_the_plan}


def torn_texts(text: bytes, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, bytes]]:
    """Yield the texts with one other byte that cannot be read as a whole."""
    for at, byte in places:
        damaged = text[:at] + bytes([byte]) + text[at + 1 :]
        try:
            ProcessingState.from_json(damaged).results()
        except StateFormatError:
            yield at, byte, damaged


def wrong(text: bytes, results: list[Any], places: Iterable[tuple[int, int]]) -> list[str]:
    """Return the damages after which a result is another one, stands at another chunk, or too many are lost."""
    pairs = {(index, json.dumps(result)) for index, result in zip(DONE, results, strict=True)}
    wrongs = []
    for at, byte, damaged in torn_texts(text, places):
        torn = read_torn(damaged)
        if torn is None:
            continue
        others = [pair for pair in torn.results if (pair[0], json.dumps(pair[1])) not in pairs]
        if others:
            wrongs.append(f"{text[at - 8 : at]!r} {bytes([byte])!r} {text[at + 1 : at + 8]!r}: {others}")
    return wrongs


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_flipped_bit_or_a_stray_byte_moves_no_result(layout: str, kind: str) -> None:
    """A sample of the places."""
    text = LAYOUTS[layout](KINDS[kind]).encode()
    begin = text.index(b'"completed_chunks"') - 4
    flips = [(at, text[at] ^ (1 << (at // 7 % 8))) for at in range(0, len(text), 7)]
    strays = [(at, STRUCTURE[at % len(STRUCTURE)]) for at in range(begin, len(text), 5)]
    assert wrong(text, KINDS[kind], [*flips, *strays]) == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_damaged_list_of_chunks_of_the_plan_moves_no_result(first: int) -> None:
    """Where the text still reads as a whole, too: it is refused, or each result stands at its chunk."""
    results = dict(zip(DONE, ({"chunk_index": index + first} for index in DONE), strict=True))
    text = of_the_plan(list(results.values())).encode()
    begin = text.index(b'"completed_chunks"')
    wrongs = []
    for at in range(begin, text.index(b"]", begin)):
        for bit in range(8):
            with suppress(StateFormatError):
                read = ProcessingState.from_json(text[:at] + bytes([text[at] ^ (1 << bit)]) + text[at + 1 :]).results()
                wrongs += [(at, bit, index) for index, result in read.items() if results.get(index) != result]
    assert wrongs == []


SOME_PAIRS: Final = {("native", "without"), ("pretty", "lists"), ("of the plan", "with their chunks")}
"""Each layout with one kind of results: which is which makes a difference in the short form's sample, too."""
PAIRS: Final = [
    pytest.param(layout, kind, marks=pytest.mark.slow if (layout, kind) in SOME_PAIRS else pytest.mark.storm)
    for layout in LAYOUTS
    for kind in KINDS
]


@pytest.mark.parametrize(("layout", "kind"), PAIRS)
def test_no_flipped_bit_and_no_stray_byte_moves_a_result(layout: str, kind: str) -> None:
    """No flipped bit, and no byte with a meaning in JSON, moves a result to another chunk."""
    text = LAYOUTS[layout](KINDS[kind]).encode()
    # What stands before the list of chunks is the same in each kind.
    begin = 0 if kind == next(iter(KINDS)) else text.index(b'"completed_chunks"') - 4
    flips = [(at, text[at] ^ (1 << bit)) for at in range(begin, len(text)) for bit in range(8)]
    strays = [(at, byte) for at in range(begin, len(text)) for byte in STRUCTURE]
    assert wrong(text, KINDS[kind], [*flips, *strays]) == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", KINDS)
def test_a_damage_in_the_chunks_of_the_results_moves_no_result(kind: str) -> None:
    """A caller may have sorted the completed chunks, and left the results in their order."""
    results = {"processed_results": KINDS[kind], "result_indices": DONE}
    state = STATE.replace(completed_chunks=sorted(DONE), config={}, **results)
    text = state.to_json().encode()
    begin = text.index(b'"result_indices"')
    places = [(at, byte) for at in range(begin, text.index(b"]", begin) + 1) for byte in b"\0x"]
    assert wrong(text, KINDS[kind], places) == []


@pytest.mark.parametrize(("layout", "old", "new"), [("pretty", b'"t": "r3', b'"t": "\0'), ("native", b" {", b'"{')])
def test_the_numbers_behind_the_results_and_the_blanks_before_them_are_none(
    layout: str, old: bytes, new: bytes
) -> None:
    """The chunks of the results stand in a list like theirs; a quote before a result opens a text."""
    results = KINDS["without"]
    text = LAYOUTS[layout](results).encode()
    at = text.index(old, text.index(b'"processed_results"'))
    torn = read_torn(text[:at] + new + text[at + len(old) :])
    assert torn is not None
    assert torn.results == list(zip(DONE, results, strict=True))[1:]
