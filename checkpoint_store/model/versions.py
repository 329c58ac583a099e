"""The schema versions that this code reads and writes, and the application id of a store file."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = "1.5"
"""The schema that this version reads and writes: the newest migration, and a state file's ``version``."""
RELEASED_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
"""Every version of a state that can be read."""
APPLICATION_ID: Final = 0x43504B31
"""``CPK1``: the ``PRAGMA application_id`` of every store file, which tells it from other programs' databases."""
WITHOUT_METADATA: Final = ("1.0", "1.1", "1.2", "1.3")
"""Versions of a state without the metadata of the job."""
