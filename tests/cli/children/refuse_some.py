"""A COMMAND that fails for the paragraphs that the file refused names; the others cost 0.5 each."""

from __future__ import annotations

import json
import pathlib
import sys

text = sys.stdin.read()
if text.split()[1] in pathlib.Path("refused").read_text().split():
    sys.exit("refused")
print(json.dumps({"cleaned_text": text, "cost": 0.5}))
