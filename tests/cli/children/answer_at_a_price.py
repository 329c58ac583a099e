"""A COMMAND whose answers cost 0.25, and whose failure at paragraph 5 costs 0.5."""

from __future__ import annotations

import json
import sys

text = sys.stdin.read()
if "Paragraph 5" in text:
    print(json.dumps({"cost": 0.5}))
    sys.exit(1)
print(json.dumps({"cleaned_text": text, "cost": 0.25, "total_tokens": 100}))
