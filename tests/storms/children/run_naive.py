"""The control: look for what is free, then take it."""

from __future__ import annotations

import sqlite3
import time

from storms.children.runner_work import total, work

raw = sqlite3.connect("naive.db", timeout=60, isolation_level=None)
while True:
    try:
        raw.execute("PRAGMA journal_mode = WAL")
        break
    except sqlite3.OperationalError:  # another runner changes it at this moment: SQLite waits for nobody here
        time.sleep(0.001)
raw.execute("CREATE TABLE IF NOT EXISTS chunks (chunk INTEGER PRIMARY KEY, state TEXT)")
raw.execute(
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    "INSERT OR IGNORE INTO chunks SELECT i, 'free' FROM n",
    (total,),
)
while (row := raw.execute("SELECT min(chunk) FROM chunks WHERE state = 'free'").fetchone())[0] is not None:
    raw.execute("UPDATE chunks SET state = 'taken' WHERE chunk = ?", row)
    work(row[0])
