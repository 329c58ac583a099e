"""What a store file is: its schema versions, its application id, and how it is opened."""

from __future__ import annotations

from typing import Final, Literal

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.chunks import as_float

SCHEMA_VERSION: Final = "1.5"
"""The schema that this version reads and writes: the newest migration, and a state file's ``version``."""
RELEASED_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
"""Every version of a state that can be read."""
APPLICATION_ID: Final = 0x43504B31
"""``CPK1``: the ``PRAGMA application_id`` of every store file, which tells it from other programs' databases."""
WITHOUT_METADATA: Final = ("1.0", "1.1", "1.2", "1.3")
"""Versions of a state without the metadata of the job."""


Durability = Literal["power-loss", "process"]
"""What a commit survives: a power cut, or the end of the process only."""
READ_ONLY: Final = "this store was opened with read_only=True"
"""Why a call that writes is refused."""
_TIMEOUT_SECONDS_MAX: Final = 1e9


def check_lock_timeout(seconds: object) -> None:
    """Raise :class:`InvalidArgumentError` if ``lock_timeout_seconds`` of a call is no time to wait."""
    number = as_float(seconds)
    if number is None or not 0 <= number < _TIMEOUT_SECONDS_MAX:
        raise InvalidArgumentError("lock_timeout_seconds", seconds, "is not a number of seconds from 0")
