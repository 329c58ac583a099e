"""Choose among the results that the copies of a store have of one chunk."""

from __future__ import annotations

from operator import eq
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.recovery.salvage.copies import Chunk

if TYPE_CHECKING:
    from checkpoint_store.storage.recovery.salvage.copies import Copy

_EQUAL_DIGITS_MIN: Final = 24
"""A digest that has this many of the 32 digits of another is that digest, damaged."""


def best_result(job_id: str, index: int, copies: list[Copy]) -> tuple[str, Chunk] | None:
    """Return a chunk's sound result from the best copy; without a result only if no copy has one."""
    known = [(copy, copy.chunks[job_id][index]) for copy in copies if index in copy.chunks.get(job_id, {})]
    # The first digest is the newest: a result that was replaced since does not come back in its place.
    first = next(((copy, chunk.digest) for copy, chunk in known if chunk.digest is not None), None)
    fingerprint = next((chunk.fingerprint for _, chunk in known if chunk.fingerprint is not None), None)
    if first is None:
        (copy, chunk), *_ = known
        if all(copy.torn for copy, _ in known):  # its result stood behind the tear
            return None
        return copy.name, Chunk(chunk.completed_at, fingerprint, None)
    first_copy, wanted = first[0], _repaired(first[1], known)
    if (newer := _contradiction(job_id, wanted, first_copy, known)) is not None:
        if not any(chunk.proven and chunk.text is not None and chunk.digest == newer for _, chunk in known):
            return None
        wanted = newer  # the state file says what a sound copy says: it is later, and not damaged
    proven = any(chunk.proven for _, chunk in known if chunk.digest == wanted)
    for copy, chunk in known:
        if chunk.text is not None and chunk.digest == wanted:
            # An older copy may have an earlier result of the chunk, for which another job paid.
            row = next((other for _, other in known if other.listed and other.digest == wanted), chunk)
            taken = Chunk(chunk.completed_at, fingerprint, wanted, chunk.text, proven, row.source, row.answers)
            taken.differs_in = row.differs_in
            return copy.name, taken
    return None


def _repaired(wanted: str, known: list[tuple[Copy, Chunk]]) -> str:
    """Return the digest of the result whose digest a damaged bit made into ``wanted``; ``wanted`` if there is none.

    The digest of a result that is read fits its text. Two results have no more than a few equal digits by chance.
    """
    of_results = [chunk.digest for _, chunk in known if chunk.text is not None and chunk.digest is not None]
    alike = [digest for digest in of_results if sum(map(eq, digest, wanted)) >= _EQUAL_DIGITS_MIN]
    return wanted if wanted in of_results else next(iter(alike), wanted)


def _contradiction(job_id: str, wanted: str | None, first: Copy, known: list[tuple[Copy, Chunk]]) -> str | None:
    """Return the digest of the state file's result, if it contradicts the best copy, and may be newer; else None.

    Either the result was replaced later, or the state file was damaged. Unless another copy tells which, neither
    result is taken.
    A state file of the same time as a backup must say what the backup says. A state file with no more chunks than the
    store is older than the store.
    """
    state = next(((copy, chunk) for copy, chunk in known if not chunk.proven and chunk.digest is not None), None)
    if state is None or state[1].digest == wanted:
        return None
    its, own = state[0].jobs.get(job_id), first.jobs.get(job_id)
    if its is None or own is None:
        return state[1].digest
    is_ahead = bool(its["completed_count"] > own["completed_count"] or its["updated_at"] > own["updated_at"])
    return state[1].digest if is_ahead or (first.backup and its["updated_at"] != own["updated_at"]) else None
