"""Pair the results of a state with its chunks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from checkpoint_store.errors import StateFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERED_FROM: Final = (0, 1)
"""The numbers from which results count the chunks, in states that another program or an early version wrote."""


def chunk_of_each(
    completed: Sequence[int], results: Sequence[Any], known: Sequence[int], *, by_own_index: bool
) -> Sequence[int]:
    """Return the chunk of each result, in the order of the results. The later of two results of one chunk counts.

    ``known`` are the chunks of the first results, as far as they are known (``result_indices``). ``by_own_index``: the
    ``chunk_index`` in the results says which chunk they belong to, if all results have it and it names exactly the
    completed chunks. So it is in states of versions before 1.2, and in files kept by hand. The error names the place of
    a result that cannot be paired.
    """
    if len(known) == len(results):
        return known
    if by_own_index and not known:
        if own := _own_indices(completed, results):
            return own
        _refuse_contradiction(completed, results)
    taken = set(known)
    left = [index for index in completed if index not in taken]
    rest = len(results) - len(known)
    if rest == len(left) or (rest < len(left) and not known):
        return [*known, *left[:rest]]
    if rest < len(left):
        _fail(
            f"[{len(known)}] belongs to one of the chunks {few(left)}, and nothing tells to which: as many results "
            "as chunks have to be new, or result_indices has to say which chunk each belongs to"
        )
    return _with_repeats(left, results, known)


def _refuse_contradiction(completed: Sequence[int], results: Sequence[Any]) -> None:
    """Raise :class:`StateFormatError` if some results have the number of the chunk at their place, and others do not.

    The numbers of results may count from 0, from 1, or in a way of their own. If they count from 0 or 1 in some places
    only, or name completed chunks at other places, the list of chunks or a number was changed: nothing tells which.
    """
    numbers = list(map(own_index, results))
    if len(results) > len(completed):  # a chunk that was recorded again has all of its results in the list
        numbers = [] if None in numbers else list(dict.fromkeys(numbers))
    named = [(index, number) for index, number in zip(completed, numbers, strict=False) if number is not None]
    offsets = Counter(number - index for index, number in named)
    own = {number for _, number in named}
    is_one_numbering = len(offsets) <= 1 or len(own) < len(named)
    if is_one_numbering or (offsets.keys().isdisjoint(_NUMBERED_FROM) and not own <= set(completed)):
        return
    usual = offsets.most_common(1)[0][0]
    index, number = next((index, number) for index, number in named if number - index != usual)
    position = next(at for at, result in enumerate(results) if own_index(result) == number)
    _fail(
        f"[{position}] has the chunk_index {number} and stands at the place of chunk {index} in completed_chunks, "
        "which does not go with the other results: one of the two numbers is damaged. If result_indices names the "
        "chunk of each result, it decides"
    )


def _with_repeats(left: Sequence[int], results: Sequence[Any], known: Sequence[int]) -> list[int]:
    """Pair more results than chunks: a chunk that was recorded again has all of its results in the list."""
    chunks, first_of = list(known), dict[str, int]()
    free = iter(left)
    for position, result in enumerate(results):
        sign = _sign(result)
        if position < len(known):
            first_of[sign] = known[position]
        elif sign in first_of:
            chunks.append(first_of[sign])
        else:
            chunk = next(free, None)
            if chunk is None:
                completed = len(set(known)) + len(left)
                _fail(f"[{position}] belongs to no chunk: each of the {completed} completed ones has another result")
            first_of[sign] = chunk
            chunks.append(chunk)
    unpaired = next(free, None)
    if unpaired is None:
        return chunks
    if len(first_of) == 1 and not known and own_index(results[0]) is None:  # all are equal, so any pairing is right
        return [*left, *[left[-1]] * (len(results) - len(left))]
    repeated = next(at for at in range(len(known), len(results)) if chunks[at] in chunks[:at])
    return _fail(f"[{repeated}] may be chunk {chunks[repeated]}'s again, or chunk {unpaired}'s: nothing tells")


def own_index(result: object) -> int | None:
    """Return the ``chunk_index`` that a result has itself; None where it has none."""
    own = result.get("chunk_index") if isinstance(result, Mapping) else None
    return own if type(own) is int else None


def _own_indices(completed: Sequence[int], results: Sequence[Any]) -> list[int]:
    """Return the ``chunk_index`` of each result, if all have it and it names exactly the completed chunks; else []."""
    own = [index for index in map(own_index, results) if index is not None]
    return own if len(own) == len(results) and set(own) == set(completed) else []


def _sign(result: object) -> str:
    """Return what two results of one chunk have in common: their own ``chunk_index``, or all of their content."""
    own = own_index(result)
    return _content(result) if own is None else f"chunk_index {own}"


def _content(result: object) -> str:
    return json.dumps(result, sort_keys=True)


def other_pairings(completed: Sequence[int], results: Sequence[Any], paired: Sequence[int]) -> list[Sequence[int]]:
    """Return the other pairings that lists suggest: by the ``chunk_index`` of the results, and by position."""
    own = _own_indices(completed, results)
    others = [*([own] if own else []), *([list(completed)] if len(completed) == len(results) else [])]
    return [other for other in others if other != list(paired)]


def may_be_left_over(indices: Sequence[int], stored: Mapping[int, Any]) -> bool:
    """Whether ``result_indices`` may be as a load gave them, though the caller changed the lists that they belong to.

    They are in order then, and the store has a result of each chunk; others may have been recorded since.
    """
    return list(indices) == sorted(set(indices) & stored.keys())


def pairing_as_stored(
    stored: Mapping[int, Any],
    results: Sequence[Any],
    paired: Sequence[int],
    others: Sequence[Sequence[int]],
    was_given: Callable[[int, Any], bool],
    *,
    names_each: bool,
) -> Sequence[int] | None:
    """Return the first pairing that leaves all stored results at their chunks; else the one that moves none of them.

    None if each of the pairings moves a stored result, or if nothing tells which one of two is right. ``stored`` is in
    the order of the chunks; ``paired`` are the chunks of ``results`` as the state has them, and ``others`` the other
    pairings that its lists suggest. ``was_given`` says whether the caller got this result of this chunk earlier: such a
    result tells the right pairing if the store has another one by now. ``names_each``: the caller named the chunk of
    each result, and decides where nothing else tells: neither such a result nor the ``chunk_index`` of the results.
    """
    pairings = [(indices, _changed(stored, indices, results)) for indices in (paired, *others)]
    for indices, changed in pairings:
        if not changed.keys() & stored.keys():
            return indices
    unmoved = [pairing for pairing in pairings if not _is_moved(stored, pairing[1])]
    given = [sum(was_given(*pair) for pair in changed.items()) for _, changed in unmoved]
    best = [indices for (indices, _), count in zip(unmoved, given, strict=True) if count == max(given)]
    best = [indices for indices in best if list(indices) == list(map(own_index, results))] or best
    is_clear = names_each or len(set(map(tuple, best))) == 1
    return best[0] if best and is_clear else None


def _changed(stored: Mapping[int, Any], paired: Sequence[int], results: Sequence[Any]) -> dict[int, Any]:
    """Return the results that differ from those in the store."""
    given = dict(zip(paired, results, strict=True))
    return {index: result for index, result in given.items() if index not in stored or stored[index] != result}


def _is_moved(stored: Mapping[int, Any], changed: Mapping[int, Any]) -> bool:
    """Whether the changes give a stored result to another chunk, and its own chunk another result.

    Results of equal content, as labels are, do not tell to which chunk they belong.
    """
    times = Counter(map(_content, stored.values()))
    contents = set(map(_content, changed.values()))
    old = [_content(stored[index]) for index in changed if index in stored]
    return any(times[content] == 1 and content in contents for content in old)


def few(indices: Sequence[int]) -> str:
    """Return some of these indices, for a message."""
    return ", ".join(map(str, indices[:5])) + (" …" if indices[5:] else "")


def _fail(reason: str) -> NoReturn:
    raise StateFormatError("processed_results", reason)
