"""A COMMAND whose answer to paragraph 3 is an error, once."""

from __future__ import annotations

import json
import os
import sys

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(json.dumps(text) + "\n")
if "Paragraph 3" in text and not os.path.exists("answered"):
    open("answered", "w").close()
    print(json.dumps({"error": {"message": "overloaded"}}))
else:
    print(json.dumps({"cleaned_text": text.upper()}))
