"""From a log of writes, syncs and renames: what a disk may hold after the power failed at any moment of it.

The rules are POSIX's, not those of one kind file system: until a file is synced, each sector written since may be
there or not; a file may have grown without its data (zeros); a truncation may have happened or not. Until the folder
is synced, each creation, renaming and removal in it may have happened or not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faults.workload import ACKS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEADER = struct.Struct("<c7xQQQQQ")


class Record(NamedTuple):
    """One call that changed or synced something."""

    op: str
    """Create, Write, Truncate, Sync a file, sync the Directory, Unlink, Rename, Link."""
    inode: int
    offset: int
    name: str
    other: str
    data: bytes


def read_log(path: Path) -> list[Record]:
    """Return what the shim logged."""
    raw, at, records = path.read_bytes(), 0, []
    while at < len(raw):
        op, inode, offset, *sizes = _HEADER.unpack_from(raw, at)
        at += _HEADER.size
        name, other, data = (raw[at + sum(sizes[:n]) : at + sum(sizes[: n + 1])] for n in range(3))
        at += sum(sizes)
        records.append(Record(op.decode(), inode, offset, _last(name), _last(other), data))
    return records


def _last(path: bytes) -> str:
    return path.decode().removesuffix(" (deleted)").rpartition("/")[2]


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data), or (size, None) for a truncation."""

    def sync(self) -> None:
        for offset, data in self.pending:
            _put(self.durable, offset, data)
        self.pending.clear()


def _put(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


Chooser = "Callable[[], bool]"


class Disk:
    """What is surely on the disk, and what may be, after each record of a log."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self._by_inode: dict[int, _File] = {}
        self._now: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._pending: list[dict[str, _File | None]] = []
        self._acks = 0

    def apply(self, record: Record) -> None:
        """Go one record on."""
        if record.name == ACKS:
            if record.op == "W":
                self.acknowledged.append(record.data.decode().strip())
            return
        try:
            self._apply(record)
        except KeyError as error:
            raise LookupError(f"the log has no creation of {error} before {record._replace(data=b'')}") from error

    def _apply(self, record: Record) -> None:
        match record.op:
            case "C":
                self._by_inode[record.inode] = made = _File()
                self._rename({record.name: made})
            case "W":
                self._by_inode[record.inode].pending.append((record.offset, record.data))
            case "T":
                self._by_inode[record.inode].pending.append((record.offset, None))
            case "S":
                self._by_inode[record.inode].sync()
            case "U":
                if record.name in self._now:  # an index file, which is not followed, is not
                    self._rename({record.name: None})
            case "R":
                self._rename({record.name: None, record.other: self._now[record.name]})
            case "L":
                self._rename({record.other: self._now[record.name]})
            case "D":
                for change in self._pending:
                    _rename(self._durable, change)
                self._pending.clear()

    def _rename(self, change: dict[str, _File | None]) -> None:
        _rename(self._now, change)
        self._pending.append(change)

    def certain(self) -> dict[str, bytes]:
        """Return what is there if nothing that was not synced got to the disk."""
        return {name: bytes(file.durable) for name, file in self._durable.items()}

    def complete(self) -> dict[str, bytes]:
        """Return what is there if everything got to the disk: what a kill leaves."""
        return self._state(lambda: True, lambda: True, 1 << 30, None)

    def possible(self, rng: random.Random) -> dict[str, bytes]:
        """Return one of all the legal contents, at random."""
        sector = rng.choice((512, 4096))
        likely = rng.choice((0.1, 0.5, 0.9, 0.97))
        names = rng.choice((0.0, 0.5, 0.9, 1.0))
        return self._state(lambda: rng.random() < likely, lambda: rng.random() < names, sector, rng)

    def one_missing(self, rng: random.Random) -> dict[str, bytes]:
        """Return what is there if all but one sector, or all but one change of a name, got to the disk."""
        written = sum(len(file.pending) for file in self._files())
        missing = rng.randrange(max(written + len(self._pending), 1))
        counter = iter(range(1 << 60))
        return self._state(lambda: next(counter) != missing, lambda: next(counter) != missing, 1 << 30, None)

    def _files(self) -> Iterator[_File]:
        seen = {id(file): file for file in self._durable.values()}
        seen |= {id(file): file for change in self._pending for file in change.values() if file is not None}
        return iter(seen.values())

    def _state(
        self, write: Callable[[], bool], name: Callable[[], bool], sector: int, rng: random.Random | None
    ) -> dict[str, bytes]:
        contents = {id(file): _content(file, write, sector, rng) for file in self._files()}
        names = dict(self._durable)
        for change in self._pending:
            if name():
                _rename(names, change)
        return {name: contents[id(file)] for name, file in names.items()}


def _rename(names: dict[str, _File], change: dict[str, _File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _content(file: _File, write: Callable[[], bool], sector: int, rng: random.Random | None) -> bytes:
    content = bytearray(file.durable)
    for offset, data in file.pending:
        if data is None:
            if write():
                _put(content, offset, None)
            continue
        for start, piece in _sectors(offset, data, sector):
            if write():
                _put(content, start, piece)
            elif rng is not None and start >= len(content) and rng.random() < 0.2:
                _put(content, start, bytes(len(piece)))  # the file grew, and the data did not get there
    return bytes(content)


def _sectors(offset: int, data: bytes, sector: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size = min(sector - (offset + at) % sector, len(data) - at)
        yield offset + at, data[at : at + size]
        at += size
