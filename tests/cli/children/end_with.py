"""A COMMAND that ends with a code as often as the file failures says."""

from __future__ import annotations

import pathlib
import sys

text = sys.stdin.read()
left = pathlib.Path("failures")
count = int(left.read_text())
with open("calls.log", "a") as log:
    log.write("1\n")
if count:
    left.write_text(str(count - 1))
    sys.exit(int(sys.argv[1]))
print(text.upper())
