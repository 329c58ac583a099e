"""A COMMAND that fails at paragraph 3, with much to say, until there is a file mended."""

from __future__ import annotations

import json
import pathlib
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
if "Paragraph 3" in text and not pathlib.Path("mended").exists():
    print("\n".join(f"line {number}" for number in range(20)), file=sys.stderr)
    sys.exit(7)
print(text.upper())
