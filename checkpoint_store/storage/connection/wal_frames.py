"""A log that SQLite cannot use as it is: its file is gone, or a page in the middle of it is broken.

SQLite reads a log up to the first broken frame and forgets what was committed behind it. The format is that of
sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD: Final = 32
_FRAME_HEAD: Final = 24
_MAGIC: Final = 0x377F0682
"""Its lowest bit says that the checksums are of big-endian numbers."""
_MOST_BYTES: Final = 64 * 1024 * 1024
_UNSYNCED: Final = 1
"""A power cut may tear this many commits: the one that no one was told of yet."""


class Frame(NamedTuple):
    """One page in a log."""

    page: int
    """Counted from 1."""
    size: int
    """The pages of the file after the commit that this frame ends; 0 where it ends none."""
    content: bytes
    sound: bool


def holds_a_commit(log: Path) -> bool:
    """Whether SQLite would find a whole transaction in a log."""
    for frame in frames(log):
        if not frame.sound:
            return False
        if frame.size:
            return True
    return False


def broken_inside(log: Path) -> bool:
    """Whether commits stand behind a broken frame of a log, which SQLite would pass over in silence."""
    broken, commits = False, 0
    for frame in frames(log):
        broken = broken or not frame.sound
        commits += broken and frame.sound and frame.size > 0
    return commits > _UNSYNCED


def apply(path: Path, log: Path, target: Path, *, base: bytes) -> None:
    """Write to ``target`` the pages at ``path`` (or ``base``, where there are none) with each sound one of the log."""
    content = bytearray((path.read_bytes() if path.exists() else b"") or base)
    size = 0
    for frame in frames(log):
        if not frame.sound:
            continue
        end = frame.page * len(frame.content)
        content.extend(bytes(max(0, end - len(content))))
        content[end - len(frame.content) : end] = frame.content
        size = max(size, end, frame.size * len(frame.content))
    target.write_bytes(content.ljust(size, b"\0"))


def frames(log: Path) -> Iterator[Frame]:
    """Yield the frames of the newest run through a log, each checked against the checksum of the one before it."""
    try:
        with log.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except OSError:
        return
    if len(raw) < _HEAD:
        return
    magic, _, page_size = struct.unpack(">III", raw[:12])
    if magic & ~1 != _MAGIC or page_size not in (1 << bits for bits in range(9, 17)):
        return
    order, salts, sums = "><"[magic & 1 == 0], raw[16:24], struct.unpack(">II", raw[24:32])
    step = _FRAME_HEAD + page_size
    for at in range(_HEAD, len(raw) - step + 1, step):
        head, content = raw[at : at + _FRAME_HEAD], raw[at + _FRAME_HEAD : at + step]
        if head[8:16] != salts:
            continue
        page, size = struct.unpack(">II", head[:8])
        stored = struct.unpack(">II", head[16:])
        yield Frame(page, size, content, _checksum(head[:8] + content, order, sums) == stored and page > 0)
        sums = stored


def _checksum(data: bytes, order: str, start: tuple[int, ...]) -> tuple[int, int]:
    one, two = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two
