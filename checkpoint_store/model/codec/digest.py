"""The digest that stands beside each result."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_EMPTY: Final = sha256()
"""A hash to copy for each digest: OpenSSL takes twice as long to make a new one in a loop that waits (cold caches)."""
_GIL_HELD_BYTES_MAX: Final = 2047
"""hashlib releases the GIL for more bytes. Among many threads, taking the GIL back costs more than the hash."""
_LONG_BYTES_MIN: Final = 32 * 1024


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in 64 hexadecimal digits."""
    whole = _EMPTY.copy()
    whole.update(data)
    return whole.hexdigest()


def digest(job_id: str, chunk_index: int, text: str) -> str:
    """Return 32 hexadecimal digits that bind a result's text to its job and chunk.

    The first 128 bits of ``sha256("{job_id}:{chunk_index}:{text}")``: enough to notice any damage, and any row
    that stands in the place of another.
    """
    return sha256_of(f"{job_id}:{chunk_index}:{text}".encode())[:32]


DigestedText = tuple[int, str | None, str, str | None]
"""(index, text, digest, digest beside the text) of a stored result."""


def first_mismatch(job_id: str, rows: Iterable[DigestedText]) -> DigestedText | None:
    """Return the first result whose text is missing or does not have both of its digests; None if all are right.

    One call checks a page of results. A call of :func:`digest` for each result takes a tenth longer.
    """
    new_hash = _EMPTY.copy
    for row in rows:
        index, text, own, beside = row
        whole = new_hash()
        whole.update(f"{job_id}:{index}:{text}".encode())
        if whole.hexdigest()[:32] != own or own != beside or text is None:
            return row
    return None


def digest_in_a_crowd(job_id: str, chunk_index: int, text: str) -> str:
    """Return what :func:`digest` does, without releasing the GIL: for many threads that complete chunks."""
    data = f"{job_id}:{chunk_index}:{text}".encode()
    if len(data) > _LONG_BYTES_MIN:
        return sha256_of(data)[:32]
    whole = sha256(data[:_GIL_HELD_BYTES_MAX])
    for at in range(_GIL_HELD_BYTES_MAX, len(data), _GIL_HELD_BYTES_MAX):
        whole.update(data[at : at + _GIL_HELD_BYTES_MAX])
    return whole.hexdigest()[:32]
