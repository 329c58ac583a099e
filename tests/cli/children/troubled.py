"""A COMMAND that fails at paragraph 1, and is killed at paragraph 2."""

from __future__ import annotations

import os
import signal
import sys

text = sys.stdin.read()
if "Paragraph 1" in text:
    sys.exit(3)
if "Paragraph 2" in text:
    os.kill(os.getpid(), signal.SIGKILL)
if "Paragraph 3" not in text:
    print(text.upper())
