"""The header of a store file, whose fixed bytes tell a damaged store from another program's file.

The layout is that of sqlite.org/fileformat2.html, 1.3.
"""

from __future__ import annotations

from operator import ne
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.store_file import APPLICATION_ID
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.system.descriptors import has_locked

if TYPE_CHECKING:
    from pathlib import Path

_FILE_HEADER_BYTES: Final = 100
_FIXED: Final = {
    0: b"SQLite format 3\0",
    20: b"\x00\x40\x20\x20",
    44: b"\x00\x00\x00\x04",
    56: b"\x00\x00\x00\x01",
    68: APPLICATION_ID.to_bytes(4, "big"),
}
"""The bytes that every store has at these places: the magic, the fractions, the formats, and the mark of a store."""
_PAGE_SIZE: Final = slice(16, 18)
_VERSIONS: Final = slice(18, 20)
_OF_WAL: Final = b"\2\2"
_OF_JOURNAL: Final = b"\1\1"
_PAGE_COUNT: Final = slice(28, 32)
_PAGE_SIZES: Final = {1 << power: (1 << power).to_bytes(2, "big") for power in range(9, 16)} | {65536: b"\x00\x01"}
_DAMAGED_BYTES_MAX: Final = 2
"""A file that differs in more of these bytes is no store: another program has another mark, or none."""


def mended_header(path: Path) -> bytes | None:
    """Return the header of the store file at ``path`` as it was before a byte or two of it were damaged.

    None if the header is whole, if the file is another program's, or while a connection of this process has the file
    open: closing another descriptor would drop the locks of that connection.
    """
    with openings.lock:
        if openings.is_open(path) or has_locked(path):
            return None
        try:
            with path.open("rb") as file:
                header = file.read(_FILE_HEADER_BYTES)
                size_bytes = file.seek(0, 2)
        except OSError:
            return None
    if len(header) < _FILE_HEADER_BYTES:
        return None
    mended = _mended(header, size_bytes)
    return mended if 0 < sum(map(ne, header, mended)) <= _DAMAGED_BYTES_MAX else None


def _mended(header: bytes, size_bytes: int) -> bytes:
    mended = bytearray(header)
    for place, fixed in _FIXED.items():
        mended[place : place + len(fixed)] = fixed
    mended[_VERSIONS] = _OF_WAL if _OF_WAL[0] in header[_VERSIONS] else _OF_JOURNAL
    if bytes(header[_PAGE_SIZE]) not in _PAGE_SIZES.values():
        page_count = int.from_bytes(header[_PAGE_COUNT], "big")
        mended[_PAGE_SIZE] = _PAGE_SIZES.get(size_bytes // max(page_count, 1), header[_PAGE_SIZE])
    return bytes(mended)
