"""The digest that stands beside each result."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

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


def digest_in_a_crowd(job_id: str, chunk_index: int, text: str) -> str:
    """Return what :func:`digest` does, without releasing the GIL: for many threads that complete chunks."""
    data = f"{job_id}:{chunk_index}:{text}".encode()
    if len(data) > _LONG_BYTES_MIN:
        return sha256_of(data)[:32]
    whole = sha256(data[:_GIL_HELD_BYTES_MAX])
    for at in range(_GIL_HELD_BYTES_MAX, len(data), _GIL_HELD_BYTES_MAX):
        whole.update(data[at : at + _GIL_HELD_BYTES_MAX])
    return whole.hexdigest()[:32]
