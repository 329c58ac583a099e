"""Read the frames of a WAL that SQLite cannot use: the store file is gone, or a frame in the middle is broken.

SQLite reads a WAL up to the first broken frame, and forgets the commits behind that frame. The format is described in
sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.storage.connection.pragmas import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES: Final = 32
_FRAME_HEAD: Final = 24
_WAL_MAGIC: Final = 0x377F0682
"""The magic number of a WAL; its lowest bit says that the checksums are of big-endian numbers."""
_UNSYNCED: Final = 1
"""The number of commits that a power cut may tear: only the commit that was not acknowledged yet."""


class Frame(NamedTuple):
    """One page in a WAL."""

    page: int
    """The number of the page, from 1."""
    size: int
    """The number of pages in the store file after the commit that this frame ends; 0 if this frame ends no commit."""
    content: bytes
    sound: bool
    """Whether the checksum of the frame is right."""


def holds_a_commit(wal: Path) -> bool:
    """Return whether SQLite would find a whole transaction in a WAL."""
    for frame in frames(wal):
        if not frame.sound:
            return False
        if frame.size:
            return True
    return False


def broken_inside(wal: Path) -> bool:
    """Return whether a WAL has commits behind a broken frame. SQLite would pass over these commits in silence."""
    broken, commits = False, 0
    for frame in frames(wal):
        broken = broken or not frame.sound
        commits += broken and frame.sound and frame.size > 0
    return commits > _UNSYNCED


def apply(path: Path | None, wal: Path, target: Path, *, base: bytes) -> None:
    """Write the pages of ``path`` to ``target``, if there is such a file, and every sound frame of the WAL over them.

    ``base`` has the pages for the beginning of a file, in the place of pages that are missing or nothing but zeros.
    """
    content = bytearray(path.read_bytes() if path is not None and path.exists() else b"")
    content.extend(bytes(max(0, len(base) - len(content))))
    for start in range(0, len(base), PAGE_BYTES):
        page = slice(start, start + PAGE_BYTES)
        if not any(content[page]):
            content[page] = base[page]
    size = 0
    for frame in frames(wal):
        if not frame.sound:
            continue
        end = frame.page * len(frame.content)
        content.extend(bytes(max(0, end - len(content))))
        content[end - len(frame.content) : end] = frame.content
        size = max(size, end, frame.size * len(frame.content))
    target.write_bytes(content.ljust(size, b"\0"))


def frames(wal: Path) -> Iterator[Frame]:
    """Yield the frames that carry the salts of the WAL's header: older frames behind them are no part of it.

    The checksum of a frame continues the checksum of the frame before.
    """
    with suppress(OSError), wal.open("rb") as file:  # read by frames: behind a long reader, a WAL grows without limit
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return
        magic, _, page_size = struct.unpack(">III", header[:12])
        if magic & ~1 != _WAL_MAGIC or page_size not in (1 << bits for bits in range(9, 17)):
            return
        order, salts, sums = "><"[magic & 1 == 0], header[16:24], struct.unpack(">II", header[24:])
        step = _FRAME_HEAD + page_size
        for raw in iter(partial(file.read, step), b""):
            head, content = raw[:_FRAME_HEAD], raw[_FRAME_HEAD:]
            if head[8:16] != salts or len(raw) < step:
                continue
            page, size = struct.unpack(">II", head[:8])
            stored = struct.unpack(">II", head[16:])
            yield Frame(page, size, content, _checksum(head[:8] + content, order, sums) == stored and page > 0)
            sums = stored


def _checksum(data: bytes, order: str, start: tuple[int, ...]) -> tuple[int, int]:
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
