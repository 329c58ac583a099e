"""Leave a store with a rollback journal as a process leaves it that is killed just before its commit ends."""

import os
import sqlite3
import sys
from pathlib import Path

path = Path(sys.argv[1])
journal = path.with_name(f"{path.name}-journal")
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA journal_mode = TRUNCATE")
connection.execute("PRAGMA cache_size = 5")  # more pages are written at once, after the journal
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE others AS SELECT zeroblob(100000)")
before = journal.read_bytes()
connection.execute("COMMIT")
journal.write_bytes(before)
os._exit(0)
