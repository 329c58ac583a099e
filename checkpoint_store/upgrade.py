"""Asking for, and making, an upgrade of a store file without opening it for work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkpoint_store._db import opening
from checkpoint_store._db.target import resolve
from checkpoint_store.errors import InvalidArgumentError, StoreTargetError
from checkpoint_store.state import RELEASED_VERSIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    import os
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Which schema a store file has, and which this version of the library wants."""

    path: Path
    current: str | None
    """None for an empty file."""
    head: str
    pending: tuple[str, ...]
    """The revisions that an upgrade would apply, oldest first."""


def migration_status(target: str | os.PathLike[str]) -> MigrationStatus:
    """Return where the store at ``target`` stands. Writes nothing.

    Raises:
        StoreTargetError: there is no store there.
        SchemaTooNew: a newer version of this library wrote it.
    """
    path = resolve(target)
    if not path.exists():
        raise StoreTargetError(path, "there is no such file")
    current, pending = opening.migration_status(path)
    return MigrationStatus(path, current, SCHEMA_VERSION, pending)


def migrate(
    target: str | os.PathLike[str], *, to: str | None = None, lock_timeout_seconds: float = 10.0
) -> MigrationStatus:
    """Bring the store at ``target`` to schema ``to`` (default: the newest), and return where it stood before.

    A verified copy is made beside it first; it is one transaction, checked before its commit. Going back to an older
    schema is refused where that would lose something.

    Raises:
        MigrationFailed: the file is as it was; the error says where the copy is.
    """
    to = SCHEMA_VERSION if to is None else to
    if to not in RELEASED_VERSIONS:
        raise InvalidArgumentError("to", to, f"is not a schema; there are {', '.join(RELEASED_VERSIONS)}")
    before = migration_status(target)
    if before.current == to:
        return before
    opener = opening.Opener(before.path, (), durability="power-loss", lock_timeout_seconds=lock_timeout_seconds)
    if before.current is None or RELEASED_VERSIONS.index(before.current) <= RELEASED_VERSIONS.index(to):
        opener.open().close()
    else:
        opener.downgrade(to)
    return before
