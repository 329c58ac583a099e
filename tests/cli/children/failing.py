"""A COMMAND that fails at the paragraphs that the file failing names, until there is a file mended."""

from __future__ import annotations

import json
import pathlib
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
if text.split()[1] in pathlib.Path("failing").read_text().split() and not pathlib.Path("mended").exists():
    print("out of luck", file=sys.stderr)
    sys.exit(3)
print(text.upper())
