"""A COMMAND that is paid for, waits while there is a file hold, says so many letters on stderr, and answers."""

from __future__ import annotations

import pathlib
import sys
import time

text = sys.stdin.read()
with open("paid.log", "a") as log:
    log.write("paid\n")
while pathlib.Path("hold").exists():
    time.sleep(0.01)
sys.stderr.write("w" * int(sys.argv[1]))
print(text.upper())
