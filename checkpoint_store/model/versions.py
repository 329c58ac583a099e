"""How a store file says what it is: the schema versions that this code reads and writes, and the application's id."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = "1.5"
"""The schema that this version reads and writes: the newest migration, and a state file's ``version``."""
RELEASED_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
"""Every version of a state that can be read."""
APPLICATION_ID: Final = 0x43504B31
"""``CPK1``: what ``PRAGMA application_id`` says in every store file, so that a stranger's database is noticed."""
WITHOUT_METADATA: Final = ("1.0", "1.1", "1.2", "1.3")
"""Versions of a state that say nothing about a job's metadata."""
