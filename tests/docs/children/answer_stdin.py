"""A program that answers as a model does what comes on stdin; in JSON where its words ask for that."""

from __future__ import annotations

import json
import re
import sys


def answer(text: str) -> str:
    """Take out the fillers, and begin with a capital letter."""
    cleaned = re.sub(r"(?i)\b(?:um|uh),?\s+", "", text).strip()
    return cleaned[:1].upper() + cleaned[1:]


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    answered = answer(sys.stdin.read())
    print(json.dumps({"text": answered}) if "json" in sys.argv else answered)
