"""A COMMAND that logs its stdin and the variables that are set for it; where there is a file fail, first tries fail."""

from __future__ import annotations

import json
import os
import sys

text = sys.stdin.read()
names = ("CONTEXT", "CHUNK_INDEX", "TOTAL_CHUNKS", "FILE", "TITLE", "LANGUAGE", "ATTEMPT", "ATTEMPT_KEY")
told = {name: os.environb[b"CHECKPOINT_STORE_" + name.encode()].decode() for name in names}  # whatever the locale
with open("told.log", "a", encoding="utf-8") as log:
    log.write(json.dumps({"stdin": text} | told) + "\n")
if os.path.exists("fail") and told["ATTEMPT"] == "1":
    sys.exit("not now")
print(text)
