"""A COMMAND that logs what it is told of the chunk before its own, and adds to its summary."""

from __future__ import annotations

import json
import os
import sys

sys.stdin.read()
index = os.environ["CHECKPOINT_STORE_CHUNK_INDEX"]
if os.path.exists("fail-" + index):
    sys.exit("not now")
previous = os.environ["CHECKPOINT_STORE_PREVIOUS_JSON"]
summary = json.loads(previous)["summary"] if previous else ""
with open("told.log", "a") as log:
    log.write(json.dumps([int(index), os.environ["CHECKPOINT_STORE_PREVIOUS"]]) + "\n")
print(json.dumps({"cleaned_text": f"text {index}", "summary": summary + index}))
