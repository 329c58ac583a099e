"""Small stand-ins for the services of the how-tos: they answer by rule what a model answers by thought."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from docs.children import answer_stdin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RUNS = """#!/bin/sh
exec {words} "$@"
"""
_COMMAND = "import sys; from checkpoint_store.cli import main; sys.argv[0] = 'checkpoint-store'; sys.exit(main())"


class _Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        words = sum(len(message["content"].split()) for message in body["messages"])
        content = answer_stdin.answer(text)
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
    model = [str(answer_stdin.__file__)]
    for name, words in (("checkpoint-store", ["-c", _COMMAND]), ("llm", model), ("ollama", model), ("python", [])):
        path = folder / name
        path.write_text(_RUNS.format(words=shlex.join([sys.executable, *words])))
        path.chmod(0o755)
