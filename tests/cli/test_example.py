"""The LLM example, against a server that speaks the same protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import ROOT, SAMPLE, Folder

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = SAMPLE.parent / "clean_with_llm.py"
CANARY = "sk-proj-Canary0Canary1Canary2Canary3"
pytest.importorskip("openai")


class Model(ThreadingHTTPServer):
    """Answers in capitals; refuses every request from ``credit`` on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.credit = 3


class Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        self.server.asked.append(text)
        if len(self.server.asked) > self.server.credit:
            self.reply(400, {"error": {"message": "no credit left"}})
            return
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text.upper()}}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage}
        self.reply(200, answer | {"choices": [choice]})

    def reply(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[Model]:
    """A running server."""
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(folder: Folder, model: Model) -> subprocess.CompletedProcess[str]:
    """Run the example on the sample."""
    settings = {
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": CANARY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | settings
    argv = [sys.executable, str(EXAMPLE), "talk.txt"]
    return subprocess.run(argv, cwd=folder.path, env=environment, capture_output=True, text=True, check=False)


def test_the_example_pays_for_no_chunk_twice_and_keeps_no_key(folder: Folder, model: Model) -> None:
    """The credit ends after three chunks; the next run asks for the rest only; the key is in no file."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    assert run(folder, model).returncode == 1
    job = folder.json("show")
    assert (job["status"], job["completed_chunks"]) == ("failed", 3)
    model.credit = 1000
    done = run(folder, model)
    assert done.returncode == 0, done.stderr
    assert len(model.asked) == job["total_chunks"] + 1  # the one that was refused
    assert folder.read("talk.cleaned.txt").split() == SAMPLE.read_text().upper().split()
    assert folder.json("show")["totals"]["input_tokens"] == 10 * job["total_chunks"]
    assert not any(CANARY.encode() in Path(path).read_bytes() for path in folder.path.iterdir())
