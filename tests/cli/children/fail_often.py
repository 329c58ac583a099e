"""A COMMAND that fails at paragraph 3 as often as the file failures says."""

from __future__ import annotations

import json
import pathlib
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
left = int(pathlib.Path("failures").read_text())
if "Paragraph 3" in text and left:
    pathlib.Path("failures").write_text(str(left - 1))
    sys.exit("out of luck")
print(text.upper())
