"""Small stand-ins for the services of the how-tos: they answer by rule what a model answers by thought."""

from __future__ import annotations

import json
import re
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = """#!{python}
import json, sys
sys.path.insert(0, {folder!r})
from stand_ins import answer
sys.stdin.reconfigure(encoding="utf-8")
sys.stdout.reconfigure(encoding="utf-8")
text = answer(sys.stdin.read())
print(json.dumps({{"text": text}}) if "json" in sys.argv else text)
"""
_PYTHON = """#!/bin/sh
exec {python} "$@"
"""
_COMMAND = """#!{python}
import sys
from checkpoint_store.cli import main
sys.exit(main())
"""


def answer(text: str) -> str:
    """Take out the fillers, and begin with a capital letter."""
    cleaned = re.sub(r"(?i)\b(?:um|uh),?\s+", "", text).strip()
    return cleaned[:1].upper() + cleaned[1:]


class _Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        words = sum(len(message["content"].split()) for message in body["messages"])
        content = answer(text)
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": words, "completion_tokens": len(content.split()), "total_tokens": 0, "cost": 0.0004}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage}
        data = json.dumps(reply | {"choices": [message]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def service() -> Iterator[str]:
    """A service that speaks the chat API of OpenAI; the value is its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def write_programs(folder: Path) -> None:
    """Write ``checkpoint-store``, ``python``, and stand-ins for ``llm`` and ``ollama`` into a folder for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"python": sys.executable, "folder": str(Path(__file__).parent)}
    for name, text in (("checkpoint-store", _COMMAND), ("llm", _PROGRAM), ("ollama", _PROGRAM), ("python", _PYTHON)):
        path = folder / name
        path.write_text(text.format(**names))
        path.chmod(0o755)
