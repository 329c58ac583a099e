"""Have a store open with SQLite alone, as no runner of this library does."""

from __future__ import annotations

import sqlite3
import sys

raw = sqlite3.connect(sys.argv[1])
raw.execute("SELECT count(*) FROM jobs").fetchone()
print("reading", flush=True)
sys.stdin.readline()
