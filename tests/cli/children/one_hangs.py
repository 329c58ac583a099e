"""A COMMAND that hangs at paragraph 0, and fails at every other one meanwhile."""

from __future__ import annotations

import os
import pathlib
import sys
import time

text = sys.stdin.read()
if "Paragraph 0" in text and not pathlib.Path("release").exists():
    pathlib.Path("hanging.new").write_text(str(os.getpid()))
    os.rename("hanging.new", "hanging")
for _ in range(6000):
    if pathlib.Path("release").exists():
        print(text.upper())
        break
    if "Paragraph 0" not in text and pathlib.Path("hanging").exists():
        sys.exit(3)
    time.sleep(0.01)
