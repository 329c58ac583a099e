"""The siblings of a store file that exist, by the names in its folder: copies, locks, and left-over files."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkpoint_store.storage.files.names import (
    ASIDE,
    BACKUP,
    RUNNER_LOCK,
    RUNNER_MARK,
    SQLITE_ENDINGS,
    STRAY_MARKS,
    UNRECORDED_MARK,
    StoreFiles,
    state_copies,
)
from checkpoint_store.system.files import remove_leftover

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Siblings:
    """The siblings of the store file at ``store``. Each method lists the folder anew."""

    store: Path

    def keeper(self, *others: Path) -> Path | None:
        """Return the file whose owner is the owner of the store: the store file, or a copy; None if all are gone."""
        if os.path.lexists(self.store):  # else the folder is listed
            return self.store
        copies = (*self.backups(), StoreFiles(self.store).wal, *others)
        return next((path for path in copies if os.path.lexists(path)), None)

    def backups(self) -> list[Path]:
        """Return the automatic backups that are there, newest first, by number: clocks jump."""
        return [path for _, _, path in self.numbered_backups()]

    def numbered_backups(self) -> list[tuple[int, str, Path]]:
        """Return number, schema version and path of each automatic backup that is there, newest first."""
        backups = []
        for name in self._names_beside():
            match = BACKUP.fullmatch(name.removeprefix(self.store.name))
            if match is not None and name.startswith(self.store.name):
                backups.append((int(match["number"]), match["version"], self.store.with_name(name)))
        return sorted(backups, reverse=True)

    def next_backup(self, version: str) -> Path:
        """Return the name for the next automatic backup of a store that has schema ``version``."""
        number = max((number for number, _, _ in self.numbered_backups()), default=0) + 1
        return self.store.with_name(f"{self.store.name}.backup-{version}-{number:04d}")

    def opened(self) -> list[Path]:
        """Return the siblings that a process opens, whether or not they exist, without the state file."""
        mark = f"{self.store.name}{RUNNER_MARK}"
        names = [name for name in self._names_beside() if name.startswith(self.store.name)]
        named = [name for name in names if name.startswith(mark) or BACKUP.fullmatch(name[len(self.store.name) :])]
        return [*StoreFiles(self.store).own[1:], *(self.store.with_name(name) for name in sorted(named))]

    def runner_locks(self) -> list[Path]:
        """Return the files that have the name of a runner's lock file, by name."""
        mine = re.compile(re.escape(self.store.name) + RUNNER_LOCK.pattern)
        return [self.store.with_name(name) for name in sorted(self._names_beside()) if mine.fullmatch(name)]

    def remove_unfinished(self) -> None:
        """Remove the unfinished files of killed backups, upgrades, merges and recoveries, which have results in them.

        Call it under the store's lock file: who makes such a file holds it.
        """
        endings = "|".join(SQLITE_ENDINGS)
        mine = re.compile(rf"{re.escape(self.store.name)}({BACKUP.pattern})?(\.tmp-[0-9a-f]{{12}}){{1,2}}({endings})?")
        for name in filter(mine.fullmatch, self._names_beside()):
            remove_leftover(self.store.with_name(name))

    def unrecorded(self) -> list[Path]:
        """Return the files with results that could not be recorded. By name."""
        mine = re.compile(re.escape(f"{self.store.name}{UNRECORDED_MARK}") + "[0-9a-f]{12}")
        return [self.store.with_name(name) for name in sorted(self._names_beside()) if mine.fullmatch(name)]

    def strays(self) -> list[Path]:
        """Return the left-over files: unfinished files, and files that were moved aside. By name."""
        own = (self.store, *state_copies(StoreFiles(self.store).state_file))
        begins = tuple(f"{path.name}." for path in own)
        names = (name for name in self._names_beside() if name.startswith(begins))
        return [self.store.with_name(name) for name in sorted(names) if any(mark in name for mark in STRAY_MARKS)]

    def aside(self, *others: Path) -> list[Path]:
        """Return the files that recoveries and restores moved aside: of the store, and state files. By name."""
        folders: dict[Path, list[str]] = {}
        for path in (self.store, *state_copies(StoreFiles(self.store).state_file), *others):
            folders.setdefault(path.parent, []).append(path.name)
        moved_aside = []
        for folder, owners in folders.items():
            with suppress(OSError):
                names = os.listdir(folder)  # names are what is matched
                moved_aside += [folder / name for name in names if _is_aside(name, owners)]
        return sorted(moved_aside)

    def _names_beside(self) -> list[str]:
        with suppress(OSError):
            return os.listdir(self.store.parent)  # names are what is matched
        return []


def _is_aside(name: str, owners: Sequence[str]) -> bool:
    endings = (name[len(owner) :] for owner in owners if name.startswith(owner))
    return any(ASIDE.fullmatch(BACKUP.sub("", ending, count=1)) for ending in endings)
