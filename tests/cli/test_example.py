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
NO_CREDIT = {"error": {"message": "no credit left", "code": "insufficient_quota"}}
BUSY = {"error": {"message": "too many requests"}}
pytest.importorskip("openai")


class Model(ThreadingHTTPServer):
    """Answers in capitals, until its credit is used up; may be busy, or broken, the first time that it hears a text."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str]] = []
        """Every text, with its idempotency key."""
        self.answered: list[str] = []
        self.credit = 3
        self.trouble: list[int] = []
        """With which status the next texts that are new are turned away."""


class Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        with self.server.lock:
            is_new = text not in [other for other, _ in self.server.asked]
            self.server.asked.append((text, self.headers["Idempotency-Key"]))
            trouble = self.server.trouble.pop() if is_new and self.server.trouble else 0
            pays = not trouble and len(self.server.answered) < self.server.credit
            if pays:
                self.server.answered.append(text)
        if trouble:
            self.reply(trouble, BUSY, {"Retry-After": "0"})
        elif not pays:
            self.reply(429, NO_CREDIT)
        else:
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text.upper()}}
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage}
            self.reply(200, answer | {"choices": [choice]})

    def reply(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
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
    """The credit ends after three chunks: the job is paused at once; the next run asks for the rest only.

    The key is in no file.
    """
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    stopped = run(folder, model)
    assert stopped.returncode == 1
    assert "no credit left" in stopped.stderr
    job = folder.json("show")
    assert (job["status"], job["completed_chunks"], job["failed_chunks"]) == ("paused", 3, 0)
    turned_away = len(model.asked) - 3
    assert 1 <= turned_away <= 4  # those that were in work beside it, each once
    model.credit = 1000
    done = run(folder, model)
    assert done.returncode == 0, done.stderr
    assert len(model.answered) == len(set(model.answered)) == job["total_chunks"]
    assert len(model.asked) == job["total_chunks"] + turned_away
    assert folder.read("talk.cleaned.txt").split() == SAMPLE.read_text().upper().split()
    assert folder.json("show")["totals"]["input_tokens"] == 10 * job["total_chunks"]
    assert not any(CANARY.encode() in Path(path).read_bytes() for path in folder.path.iterdir())


def test_a_busy_service_is_asked_again_with_the_same_key(folder: Folder, model: Model) -> None:
    """Turned away with 429 and 500, the calls are made again, each with its chunk's own idempotency key, as attempts."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    model.credit, model.trouble = 1000, [429, 500, 503]
    done = run(folder, model)
    assert done.returncode == 0, done.stderr
    assert len(model.asked) == len(model.answered) + 3
    assert len(model.answered) == len(set(model.answered)) == len({key for _, key in model.asked})
    assert len(set(model.asked)) == len(model.answered)  # one key for each text, whichever try it was
    assert "None" not in {key for _, key in model.asked}
