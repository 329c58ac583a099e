"""A COMMAND that logs its text, and waits at paragraph 2 until there is a file release."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
if "Paragraph 2" in text and not pathlib.Path("release").exists():
    pathlib.Path("waiting.new").write_text(str(os.getpid()))
    os.rename("waiting.new", "waiting")
    for _ in range(6000):
        if pathlib.Path("release").exists():
            break
        time.sleep(0.01)
print(text.upper())
