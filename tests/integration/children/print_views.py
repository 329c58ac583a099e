"""Print what the views say."""

from __future__ import annotations

import sqlite3

raw = sqlite3.connect("talks.db")
for view in ("job_progress", "running_now", "job_costs", "failed_chunks", "in_doubt_chunks"):
    cursor = raw.execute(f"SELECT * FROM {view}")
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        print(
            view,
            {
                n: v
                for n, v in zip(names, row, strict=True)
                if n
                in (
                    "completed",
                    "total",
                    "left",
                    "percent",
                    "chunk_index",
                    "attempt",
                    "pid",
                    "results",
                    "priced",
                    "cost",
                    "input_tokens",
                    "output_tokens",
                )
            },
        )
raw.close()
