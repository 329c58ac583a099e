"""A COMMAND that logs its text and its process, and waits until there is a file release."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
with open("pids.log", "a") as log:
    log.write(f"{os.getpid()}\n")
for _ in range(6000):
    if pathlib.Path("release").exists():
        break
    time.sleep(0.01)
print(text.upper(), end="")
