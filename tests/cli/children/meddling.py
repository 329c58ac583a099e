"""A COMMAND that writes into the output of the run."""

from __future__ import annotations

import sys

sys.stdin.read()
with open("lecture.cleaned.txt", "a") as output:
    output.write("mine")
print("x")
