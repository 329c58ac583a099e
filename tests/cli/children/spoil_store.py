"""A COMMAND in whose time, at one chunk, somebody puts a trigger into the store that swallows what is recorded."""

from __future__ import annotations

import json
import sqlite3
import sys

text = sys.stdin.read()
if "spoil" in text or "number 2" in text:
    store = sqlite3.connect(".processing_state.db")
    store.execute("CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON completed_chunks BEGIN SELECT RAISE(IGNORE); END")
    store.commit()
print(json.dumps({"cleaned_text": "x", "cost": 0.5}))
