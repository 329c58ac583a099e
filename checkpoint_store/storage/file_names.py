"""The names of a store's files.

``NAME.db`` has the siblings ``NAME.json``, ``NAME.bak``, ``NAME.lock`` and ``NAME.open``. A store of any other name
keeps all of it: ``talk.sqlite`` has ``talk.sqlite.json``. So no two stores share a sibling.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STORE_SUFFIX: Final = ".db"
SIBLING_SUFFIXES: Final = (".json", ".lock", ".bak", ".open")
"""The suffixes that the name of a store cannot have."""
RUNNER_MARK: Final = ".runner-"
_SQLITE_ENDINGS: Final = ("-wal", "-shm", "-journal")
_BACKUP: Final = re.compile(r"\.backup-(?P<version>\d+\.\d+)-(?P<number>\d+)")
_MOMENT: Final = "%Y%m%dT%H%M%S.%fZ"
_ASIDE: Final = re.compile(r"\.(?:corrupt|replaced)-(?P<moment>\d{8}T\d{6}\.\d{6}Z)(?:-wal|-shm|-journal)?$")
_STRAY_MARKS: Final = (".tmp-", ".corrupt-", ".replaced-", ".recovered")
_BELONGING: Final = (".backup-", ".runner-", *_STRAY_MARKS)


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """The names of the files that belong to the store file at ``store``."""

    store: Path

    @property
    def wal(self) -> Path:
        """What was committed and is not in the store file yet."""
        return self._with("-wal")

    @property
    def shm(self) -> Path:
        """SQLite's index of the WAL. It exists while a process has the WAL open."""
        return self._with("-shm")

    @property
    def journal(self) -> Path:
        """The pages as they were before a transaction, on a file system where SQLite can keep no WAL."""
        return self._with("-journal")

    @property
    def of_sqlite(self) -> tuple[Path, Path, Path]:
        """What SQLite keeps beside the store file: WAL, index of the WAL, journal."""
        return self.wal, self.shm, self.journal

    @property
    def state_file(self) -> Path:
        """The state file, unless the caller named another one."""
        return self._sibling(".json")

    @property
    def lock(self) -> Path:
        """The lock file of whoever writes the state file, or makes a backup, or creates, upgrades or recovers."""
        return self._sibling(".lock")

    @property
    def open_lock(self) -> Path:
        """The file that everybody who has the store open holds a shared lock on."""
        return self._sibling(".open")

    @property
    def recovered(self) -> Path:
        """The new store file, whole and durable, that a recovery or a restoring is about to put in place."""
        return self._with(".recovered")

    @property
    def own(self) -> tuple[Path, ...]:
        """The names that nothing else may be written to, without the state file."""
        return self.store, self.lock, self.open_lock, self.recovered, *self.of_sqlite

    def has(self, path: Path) -> bool:
        """Return whether ``path``, there or not, is the store file or has the name of a file that belongs to it."""
        named = (*self.own, self.state_file, state_backup(self.state_file))
        ending = path.name.removeprefix(self.store.name)
        is_numbered = path.name.startswith(self.store.name) and ending.startswith(_BELONGING)
        return is_numbered or path.name in {one.name for one in named}

    def keeper(self, *others: Path) -> Path | None:
        """Return the file whose owner the store has: the store file, or a copy of it; None where none is there."""
        return next((path for path in (self.store, *self.backups(), self.wal, *others) if os.path.lexists(path)), None)

    def backups(self) -> list[Path]:
        """Return the automatic backups that are there, newest first. Numbers tell, not times: clocks jump."""
        return [path for _, _, path in self.numbered_backups()]

    def numbered_backups(self) -> list[tuple[int, str, Path]]:
        """Return number, schema version and path of each automatic backup that is there, newest first."""
        found = []
        for name in self._names_beside():
            match = _BACKUP.fullmatch(name.removeprefix(self.store.name))
            if match is not None and name.startswith(self.store.name):
                found.append((int(match["number"]), match["version"], self.store.with_name(name)))
        return sorted(found, reverse=True)

    def next_backup(self, version: str) -> Path:
        """Return the name for the next automatic backup of a store that has schema ``version``."""
        number = max((number for number, _, _ in self.numbered_backups()), default=0) + 1
        return self._with(f".backup-{version}-{number:04d}")

    def siblings(self) -> list[Path]:
        """Return whatever a process opens beside the store file, whether it is there or not, but for the state file."""
        mark = f"{self.store.name}{RUNNER_MARK}"
        names = [name for name in self._names_beside() if name.startswith(self.store.name)]
        named = [name for name in names if name.startswith(mark) or _BACKUP.fullmatch(name[len(self.store.name) :])]
        return [*self.own[1:], *(self.store.with_name(name) for name in sorted(named))]

    def runner_locks(self) -> list[Path]:
        """Return whatever has the name of a runner's lock file, by name."""
        mark = f"{self.store.name}{RUNNER_MARK}"
        return [self.store.with_name(name) for name in sorted(self._names_beside()) if name.startswith(mark)]

    def unfinished_backups(self) -> list[Path]:
        """Return what killed backups left, and what a backup that is being made has written so far."""
        mark = f"{self.store.name}.backup-"
        names = (name for name in self._names_beside() if name.startswith(mark) and ".tmp-" in name)
        return [self.store.with_name(name) for name in names]

    def unfinished_stores(self) -> list[Path]:
        """Return what killed recoveries left: store files that were being made, and what SQLite kept beside them."""
        endings = "|".join(_SQLITE_ENDINGS)
        mine = re.compile(re.escape(self.store.name) + rf"(\.tmp-[0-9a-f]{{12}}){{1,2}}({endings})?")
        return [self.store.with_name(name) for name in self._names_beside() if mine.fullmatch(name)]

    def unrecorded(self) -> list[Path]:
        """Return the files with results that could not be recorded. By name."""
        mine = re.compile(re.escape(self.store.name) + r"\.unrecorded-[0-9a-f]{12}")
        return [self.store.with_name(name) for name in sorted(self._names_beside()) if mine.fullmatch(name)]

    def strays(self) -> list[Path]:
        """Return the left-over files that are there: unfinished ones, and those that were moved aside. By name."""
        own = (self.store, self.state_file, state_backup(self.state_file))
        begins = tuple(f"{path.name}." for path in own)
        names = (name for name in self._names_beside() if name.startswith(begins))
        return [self.store.with_name(name) for name in sorted(names) if any(mark in name for mark in _STRAY_MARKS)]

    def aside(self, *others: Path) -> list[Path]:
        """Return what recoveries and restorings moved aside: of the store, its state file, and other files. By name."""
        folders: dict[Path, list[str]] = {}
        for path in (self.store, self.state_file, state_backup(self.state_file), *others):
            folders.setdefault(path.parent, []).append(path.name)
        found = []
        for folder, owners in folders.items():
            with suppress(OSError):
                names = os.listdir(folder)  # names are what is matched
                found += [folder / name for name in names if _is_aside(name, owners)]
        return sorted(found)

    def remove(self) -> None:
        """Remove the store file and what SQLite keeps beside it, the store file last. What cannot be removed stays."""
        for path in (*self.of_sqlite, self.store):
            with suppress(OSError):
                path.unlink()

    def _with(self, ending: str) -> Path:
        return self.store.with_name(f"{self.store.name}{ending}")

    def _sibling(self, suffix: str) -> Path:
        return self.store.with_suffix(suffix) if self.store.suffix == STORE_SUFFIX else self._with(suffix)

    def _names_beside(self) -> list[str]:
        with suppress(OSError):
            return os.listdir(self.store.parent)  # names are what is matched
        return []


def _is_aside(name: str, owners: Sequence[str]) -> bool:
    endings = (name[len(owner) :] for owner in owners if name.startswith(owner))
    return any(_ASIDE.fullmatch(_BACKUP.sub("", ending, count=1)) for ending in endings)


def moved_at(path: Path) -> datetime | None:
    """Return when a file was moved aside, as its name says; None where it says nothing."""
    match = _ASIDE.search(path.name)
    if match is None:
        return None
    with suppress(ValueError):
        return datetime.strptime(match["moment"], _MOMENT).replace(tzinfo=UTC)
    return None


def state_backup(state_file: Path) -> Path:
    """Return where the state before the last one is kept."""
    return state_file.with_suffix(".bak")


def state_copies(state_file: Path) -> tuple[Path, Path]:
    """Return the files that a state is kept in: the state file, and the one before it."""
    return state_file, state_backup(state_file)


def moved_aside(path: Path, why: str) -> Path:
    """Return the name for a file that is moved aside now: ``NAME.WHY-TIME``."""
    return path.with_name(f"{path.name}.{why}-{datetime.now(UTC).strftime(_MOMENT)}")


def has_bytes(path: Path) -> bool:
    """Return whether there is a file at ``path``, and something in it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
