"""What SQLite does by default, with a memory map: commits, and automatic checkpoints; one process checkpoints besides."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time

path, number, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
driver = sqlite3.connect(path, timeout=60, isolation_level=None)
for pragma in ("mmap_size = 1073741824", "synchronous = OFF", "wal_autocheckpoint = 1"):
    driver.execute(f"PRAGMA {pragma}").fetchone()
done, rounds, error, letters = 0, 0, None, (50, 3000, 60000)
try:
    while rounds < wanted:
        if number:
            driver.execute("INSERT INTO t VALUES (?, ?, ?)", (number, done, "x" * letters[done % 3]))
            done += 1
        else:
            driver.execute("SELECT count(*) FROM t").fetchone()
            time.sleep(random.random() * 0.004)
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        rounds += 1
except sqlite3.DatabaseError as caught:
    error = str(caught)
print(json.dumps({"acknowledged": done, "rounds": rounds, "error": error}))
