"""The names of a store's files.

``NAME.db`` has the siblings ``NAME.json``, ``NAME.bak``, ``NAME.lock``, ``NAME.open`` and ``NAME.outputs``. A store of
any other name keeps all of it: ``talk.sqlite`` has ``talk.sqlite.json``. So no two stores share a sibling but ``NAME``
and ``NAME.db``, of which a folder can have one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from checkpoint_store.system.paths import status_if_there

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STORE_SUFFIX: Final = ".db"
_NEITHER: Final = (".lock", ".bak", ".open", ".outputs")
SIBLING_SUFFIXES: Final = (".json", *_NEITHER)
"""The suffixes that the name of a store cannot have."""
NO_STATE_SUFFIXES: Final = (STORE_SUFFIX, *_NEITHER)
"""The suffixes that the name of a state file cannot have."""
RUNNER_MARK: Final = ".runner-"
RUNNER_LOCK: Final = re.compile(rf"{re.escape(RUNNER_MARK)}[0-9a-f]{{12}}(\.released)?")
"""The ending of a lock file of a runner."""
UNRECORDED_MARK: Final = ".unrecorded-"
SQLITE_ENDINGS: Final = ("-wal", "-shm", "-journal")
BACKUP: Final = re.compile(r"\.backup-(?P<version>\d+\.\d+)-(?P<number>\d+)")
_MOMENT: Final = "%Y%m%dT%H%M%S.%fZ"
ASIDE: Final = re.compile(
    rf"\.(?:corrupt|replaced)-(?P<moment>\d{{8}}T\d{{6}}\.\d{{6}}Z)(?:{'|'.join(SQLITE_ENDINGS)})?$"
)
STAND_IN_FOLDER: Final = ".checkpoint-store-stand-in-"
"""The beginning of the name of a stand-in's folder. A stand-in is a store that a command reads and throws away."""
REMOVED: Final = re.compile(rf"(?:{'|'.join(SQLITE_ENDINGS)}|\.recovered|\.tmp-[0-9a-f]{{12}}|{RUNNER_LOCK.pattern})$")
"""The endings of files that SQLite, or a store, removes when the store to which they belong is opened or closed."""
STRAY_MARKS: Final = (".tmp-", ".corrupt-", ".replaced-", ".recovered")


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """The names of the files that belong to the store file at ``store``."""

    store: Path

    @property
    def wal(self) -> Path:
        """The WAL: committed pages that are not in the store file yet."""
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
        """The files that SQLite keeps beside the store file: WAL, index of the WAL, journal."""
        return self.wal, self.shm, self.journal

    @property
    def state_file(self) -> Path:
        """The state file, unless the caller named another one."""
        return self._sibling(".json")

    @property
    def lock(self) -> Path:
        """The lock file: held to write the state file or a backup, and to create, upgrade or recover the store."""
        return self._sibling(".lock")

    @property
    def open_lock(self) -> Path:
        """The file that everybody who has the store open holds a shared lock on."""
        return self._sibling(".open")

    @property
    def outputs(self) -> Path:
        """The log of the outputs that the command wrote: by it a run knows its own outputs."""
        return self._sibling(".outputs")

    @property
    def recovered(self) -> Path:
        """The new store file, whole and durable, that a recovery or a restoring is about to put in place."""
        return self._with(".recovered")

    @property
    def namesake(self) -> Path | None:
        """The other store file with the same siblings: ``talk`` for ``talk.db``, ``talk.db`` for ``talk``; or None."""
        other = self.store.with_suffix("") if self.store.suffix == STORE_SUFFIX else self._with(STORE_SUFFIX)
        return other if StoreFiles(other).lock == self.lock else None

    @property
    def own(self) -> tuple[Path, ...]:
        """The store file and the files that a process opens with it, without the state file."""
        return self.store, self.lock, self.open_lock, self.recovered, *self.of_sqlite

    def has(self, path: Path) -> bool:
        """Return whether ``path`` is the store file or a name for a file of the store. The file need not exist."""
        named = (*self.own, self.outputs, *state_copies(self.state_file))
        ending = path.name.removeprefix(self.store.name) if path.name.startswith(self.store.name) else ""
        is_marked = ending.startswith((RUNNER_MARK, UNRECORDED_MARK)) or BACKUP.match(ending) is not None
        is_marked = is_marked or path.name.startswith(STAND_IN_FOLDER)
        return is_marked or any(_is_or_strays_from(path, file) for file in named)

    def remove(self) -> None:
        """Remove the files of SQLite beside the store file, and then the store file, as far as they can be removed."""
        for path in (*self.of_sqlite, self.store):
            with suppress(OSError):
                path.unlink()

    def _with(self, ending: str) -> Path:
        return self.store.with_name(f"{self.store.name}{ending}")

    def _sibling(self, suffix: str) -> Path:
        return self.store.with_suffix(suffix) if self.store.suffix == STORE_SUFFIX else self._with(suffix)


def belongs_to_store(path: Path, store: Path, states: Sequence[Path] = ()) -> bool:
    """Return whether ``path`` is the store file, or a name for a file of the store. The file need not exist.

    A folder has more names than one if it is linked, mounted at another place too, or blind to case.

    Args:
        path: the path in question.
        store: the store file.
        states: the state file of the store and its ``.bak``, which may lie in another folder.
    """
    if _are_in_one_folder(path, store) and StoreFiles(store).has(path):
        return True
    return any(_is_or_strays_from(path, state) and _are_in_one_folder(path, state) for state in states)


def possible_stores(path: Path) -> Iterator[Path]:
    """Yield the store files, there or not, to which ``path`` belongs by its name."""
    ends = {len(path.name), *(match.start() for match in re.finditer(r"[.-]", path.name))}
    for name in (f"{path.name[:end]}{suffix}" for end in ends for suffix in ("", STORE_SUFFIX)):
        if name.strip(".") and StoreFiles(path.with_name(name)).has(path):
            yield path.with_name(name)


def _are_in_one_folder(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return path.parent.samefile(other.parent)
    return path.parent.resolve() == other.parent.resolve()  # a folder that is still to be made


def _is_or_strays_from(path: Path, file: Path) -> bool:
    """Whether a path has the name of a file, or the name that the file has while it is unfinished or moved aside."""
    return path.name == file.name or path.name.startswith(tuple(f"{file.name}{mark}" for mark in STRAY_MARKS))


def moved_at(path: Path) -> datetime | None:
    """Return when a file was moved aside, as its name says; None if the name does not say it."""
    match = ASIDE.search(path.name)
    if match is None:
        return None
    with suppress(ValueError):
        return datetime.strptime(match["moment"], _MOMENT).replace(tzinfo=UTC)
    return None


def state_backup(state_file: Path) -> Path:
    """Return the path of the state file before the last one."""
    return state_file.with_suffix(".bak")


def state_copies(state_file: Path) -> tuple[Path, Path]:
    """Return the files that a state is kept in: the state file, and the one before it."""
    return state_file, state_backup(state_file)


def moved_aside(path: Path, why: str) -> Path:
    """Return the name for a file that is moved aside now: ``NAME.WHY-TIME``."""
    return path.with_name(f"{path.name}.{why}-{datetime.now(UTC).strftime(_MOMENT)}")


def has_bytes(path: Path) -> bool:
    """Return whether a file is at ``path``, and is not empty.

    Raises:
        StorageUnavailableError: the file system does not say. A WAL that was not seen would be passed over.
    """
    status = status_if_there(path)
    return status is not None and status.st_size > 0
