"""A COMMAND that fails at paragraph 3 until there is a file mended."""

from __future__ import annotations

import pathlib
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write("1\n")
if "Paragraph 3" in text and not pathlib.Path("mended").exists():
    sys.exit(1)
print(text.upper())
