"""A COMMAND that logs a record, and answers with one."""

from __future__ import annotations

import json
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
record = json.loads(text)
print(json.dumps({"id": record["id"], "chunk_index": "mine", "loud": record["text"].upper(), "cost": 0.25}, indent=2))
