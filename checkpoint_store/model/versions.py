"""The schema versions that this code reads and writes."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = "1.4"
"""The schema that this version reads and writes: the newest migration, and a state file's ``version``."""
RELEASED_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4")
"""Every version of a state that can be read."""
WITHOUT_METADATA: Final = ("1.0", "1.1", "1.2", "1.3")
"""Versions of a state that say nothing about a job's metadata."""
