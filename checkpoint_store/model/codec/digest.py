"""The digest that stands beside each result."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_EMPTY: Final = sha256()
"""Copied for each digest: in a loop that waits, where caches are cold, OpenSSL takes twice as long to make one anew."""
_GIL_HELD_BYTES_MAX: Final = 2047
"""Of more bytes than these hashlib gives Python's lock away: getting it back costs more than they do, in a crowd."""
_LONG_BYTES_MIN: Final = 32 * 1024


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in 64 hexadecimal digits."""
    whole = _EMPTY.copy()
    whole.update(data)
    return whole.hexdigest()


def digest(job_id: str, chunk_index: int, text: str) -> str:
    """Return 32 hexadecimal digits that bind a result's text to its job and chunk.

    The first 128 bits of ``sha256("{job_id}:{chunk_index}:{text}")``: enough to notice any damage and any row
    that has come to stand in another's place.
    """
    return sha256_of(f"{job_id}:{chunk_index}:{text}".encode())[:32]


def digest_in_a_crowd(job_id: str, chunk_index: int, text: str) -> str:
    """Return the same digest, made in pieces for which Python's lock is not given away: for threads that complete."""
    data = f"{job_id}:{chunk_index}:{text}".encode()
    if len(data) > _LONG_BYTES_MIN:
        return sha256_of(data)[:32]
    whole = sha256(data[:_GIL_HELD_BYTES_MAX])
    for at in range(_GIL_HELD_BYTES_MAX, len(data), _GIL_HELD_BYTES_MAX):
        whole.update(data[at : at + _GIL_HELD_BYTES_MAX])
    return whole.hexdigest()[:32]
