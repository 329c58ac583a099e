"""Hold the lock of the writers until a line comes."""

from __future__ import annotations

import sqlite3
import sys

held = sqlite3.connect("talks.db", isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
