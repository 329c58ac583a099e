"""The tables and indexes of every released schema, as SQLite has them in the schema of a file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import Final

from checkpoint_store.model.store_file import RELEASED_VERSIONS
from checkpoint_store.storage.upgrade.migrate import upgrade_in_memory

Entry = tuple[bytes, ...]
"""The type, the name, the table and the SQL text of a table or an index, as bytes: damage may make a text of none."""

ENTRIES: Final = """
SELECT rowid, coalesce(CAST(type AS BLOB), x''), coalesce(CAST(name AS BLOB), x''),
    coalesce(CAST(tbl_name AS BLOB), x''), coalesce(CAST(sql AS BLOB), x'')
FROM sqlite_master ORDER BY rowid
"""
"""The entries of a schema, by the row of each. Damage may leave NULL in the place of a text."""


@cache
def known_entries() -> frozenset[Entry]:
    """Return the tables and indexes of all released schemas. The first call takes some tenths of a second."""
    known: set[Entry] = set()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for version in RELEASED_VERSIONS:
            upgrade_in_memory(connection, version)
            known |= {tuple(entry) for _, *entry in connection.execute(ENTRIES) if entry[0] != b"view"}
    return frozenset(known)
