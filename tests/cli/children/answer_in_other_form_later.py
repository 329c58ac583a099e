"""A COMMAND whose answer to paragraph 3 has its text in another field, once."""

from __future__ import annotations

import json
import os
import sys

text = sys.stdin.read()
if "Paragraph 3" in text and not os.path.exists("answered"):
    open("answered", "w").close()
    print(json.dumps({"text": "PAID ANSWER"}))
else:
    print(json.dumps({"cleaned_text": text.upper()}))
