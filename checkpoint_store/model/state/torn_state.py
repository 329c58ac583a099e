"""What is left of a torn state: the text of a state file that was cut off, or of which a part cannot be read.

What stands before the damage is read in every layout: this library writes one line for each result, programs before it
wrote ``indent=2``. What stands behind the damage is found again where lines begin, so in these two layouts only.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.state.pairing import own_index
from checkpoint_store.model.state.state import PAIRED_BY_OWN_INDEX
from checkpoint_store.model.state.state_text import COMPLETED_CHUNKS, FIELDS, RESULT_INDICES, RESULTS
from checkpoint_store.model.state.torn_reader import TornReader

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELD_LINE: Final = re.compile(r'^  "([a-z_]+)": ?', re.MULTILINE)
_ELEMENT_LINE: Final = re.compile(r"^    (?=[^ \]}])", re.MULTILINE)
_ENDS_BEFORE_ELEMENT: Final = re.compile("[,\\[\0-\x08\x0e-\x1f\udc80-\udcff]\r?\n\\Z")
_INDICES_BEGIN: Final = f'"{RESULT_INDICES}": ['
_FIELD_WITH_LIST: Final = re.compile(rf"^  (?! )([^\n]{{{len(_INDICES_BEGIN)}}})(?=([^\]]*))", re.MULTILINE)
_RESULTS_END: Final = '\n  ],\n  "started_at": '
"""The end of the results and the field behind them: other lists of a state end like the results, with another field."""


class TornState(NamedTuple):
    """The facts of a state that cannot be read as a whole."""

    fields: dict[str, Any]
    """The fields that read, without the chunks and the results."""
    completed_chunks: list[int]
    results: list[tuple[int, Any]]
    """(chunk, result) of each result that reads, and of which the chunk is certain."""


def read_torn(content: bytes) -> TornState | None:
    """Return what a state says that cannot be read as a whole; None where nothing tells whose state it is.

    The results before the damage belong to the completed chunks at the same positions, and the results behind it, which
    are counted from the end, to those in ``result_indices``. In a state of a version before 1.2 a chunk that was
    recorded again has two results: if results name their chunks, position and name must agree, and behind the damage
    the name alone tells. Results between two damaged places are left out: nothing tells how many stood before them.
    """
    text = content.decode(errors="surrogateescape")
    reader = TornReader(text)
    fields = reader.fields_before(RESULTS)
    before = reader.elements()
    fields |= reader.fields_behind() if reader.is_closed else {}
    end = text.rfind(_RESULTS_END)
    fields = _fields_by_line(text, end) | fields
    behind = [] if reader.is_closed else _elements_before(text, reader.at, end)
    completed, indices = fields.pop(COMPLETED_CHUNKS, None), fields.pop(RESULT_INDICES, None)
    job_id, total = fields.get("job_id"), fields.get("total_chunks")
    if not isinstance(job_id, str) or type(total) is not int:
        return None
    order = indices if _are_chunks(indices, total) else None
    if not _are_chunks(completed, total):
        if order is None:
            return None
        completed = order
    if fields.get("version") in PAIRED_BY_OWN_INDEX or (order is None and "version" not in fields):
        results = _by_own_index(before, behind, completed)
    else:
        results = _by_position(before, behind, completed, order or ())
        if order is None and _is_in_another_order(text, end, completed):
            results = [(index, result) for index, result in results if _names(result, index)]
    known = set(completed)
    return TornState(fields, [*completed, *(index for index in order or () if index not in known)], results)


def _are_chunks(indices: object, total: int) -> bool:
    return isinstance(indices, list) and all(type(index) is int and 0 <= index < total for index in indices)


def _is_in_another_order(text: str, results_end: int, completed: Sequence[int]) -> bool:
    """Return whether what is left of ``result_indices`` contradicts the order of the completed chunks."""
    for line in _FIELD_WITH_LIST.finditer(text, max(results_end, 0)):
        damaged = [letter for letter, sound in zip(line[1], _INDICES_BEGIN, strict=True) if letter != sound]
        if len(damaged) <= 1:
            words = zip(map(str.strip, line[2].split(",")), map(str, completed), strict=False)
            return any(word != index for word, index in words if word.isdecimal())
    return False


def _by_position(
    before: list[Any], behind: list[Any], completed: Sequence[int], order: Sequence[int]
) -> list[tuple[int, Any]]:
    """Pair results with chunks by their positions; ``order``: the chunk of each result, empty where that is lost."""
    is_lost = not order or len(order) < len(before) + len(behind)
    if is_lost:
        order, behind = completed, []
    pairs = list(zip(range(len(order)), before, strict=False))
    last = list(zip(range(len(order) - len(behind), len(order)), behind, strict=True))
    if (
        pairs
        and all(_names(result, order[at]) for at, result in pairs)
        and not all(_names(result, order[at]) for at, result in last)
    ):
        last = []  # the end of the file is of another time
    if is_lost:
        times = Counter(order)
        certain = [(order[at], result) for at, result in pairs if times[order[at]] == 1]
    elif set(order) == set(completed):
        certain = [(order[at], result) for at, result in pairs + last]
    else:  # one of the two lists is damaged, or of another time
        certain = [(order[at], result) for at, result in pairs + last if completed[at : at + 1] in ([], [order[at]])]
    named = [(index, result) for index, result in certain if _names(result, index)]
    return named if len(named) > len(certain) / 2 else certain


def _names(result: object, index: int) -> bool:
    return own_index(result) == index


def _by_own_index(before: list[Any], behind: list[Any], completed: Sequence[int]) -> list[tuple[int, Any]]:
    """Pair the results of a state without ``result_indices``."""
    pairs = list(zip(completed, before, strict=False))
    if not pairs:  # certain where the position, counted from the end, and the result say the same
        last = list(zip(completed[-len(behind) :], behind, strict=False)) if behind else []
        return [(index, result) for index, result in last if _names(result, index)]
    named = [(index, result) for index, result in pairs if _names(result, index)]
    if not named:  # they count from 1, or name none: the position tells
        times = Counter(completed)  # of two equal numbers, the damage changed one
        return [(index, result) for index, result in pairs if times[index] == 1]
    known = set(completed)
    last = [(index, result) for result in behind if (index := own_index(result)) is not None and index in known]
    return named + (last if len(last) == len(behind) else [])


def _fields_by_line(text: str, results_end: int) -> dict[str, Any]:
    """Return the fields that begin a line and read, wherever the text is damaged.

    Of two fields of a name the last one behind the results counts: the first may be of an earlier state.
    """
    fields = dict[str, Any]()
    for line in _FIELD_LINE.finditer(text):
        name = line[1]
        if name not in FIELDS or name == RESULTS or (name in fields and line.start() < results_end):
            continue
        reader = TornReader(text, line.end(), "  ")
        with suppress(ValueError):
            value = reader.value()
            reader.check_field_end()
            fields[name] = value
    return fields


def _elements_before(text: str, start: int, end: int) -> list[Any]:
    """Return the elements of the results that stand whole, one behind the other, before their end.

    Behind a line that ends otherwise than the line before an element, a damaged bracket may look like an element.
    """
    at = start
    while (line := _ELEMENT_LINE.search(text, at, max(end, 0))) is not None:
        if not _ENDS_BEFORE_ELEMENT.search(text, max(line.start() - 3, 0), line.start()):
            at = line.end()
            continue
        reader = TornReader(text, line.start() - 1)
        elements = reader.rest_of_elements()
        if reader.is_closed and reader.at == end + len("\n  ]"):
            return elements
        at = max(reader.at, line.end())
    return []
