"""A COMMAND whose answer counts the calls, each of which costs 0.5."""

from __future__ import annotations

import json
import sys

sys.stdin.read()
with open("calls.log", "a+") as log:
    log.write("x")
    log.seek(0)
    count = len(log.read())
print(json.dumps({"cleaned_text": f"call {count}", "cost": 0.5}))
