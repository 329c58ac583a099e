"""A local server that speaks the OpenAI chat API, and can be as bad at it as a real one."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

NO_CREDIT: Final = {"error": {"message": "no credit left", "code": "insufficient_quota"}}
BUSY: Final = {"error": {"message": "too many requests"}}
TROUBLES: Final = ("429", "500", "503", "cut", "hung", "malformed", "empty")
"""Turned away (429 with Retry-After), broken, half an answer and the end of the connection, no answer ever, JSON that
does not parse, and an error with status 200, as some gateways have it."""


class Model(ThreadingHTTPServer):
    """Answers in capitals, until its credit is used up; the first times that it hears a text it may fail."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str]] = []
        """Every text, with its idempotency key."""
        self.answered: Counter[str] = Counter()
        """How often each text is being answered, or was."""
        self.had: Counter[str] = Counter()
        """How often each trouble was made."""
        self.heard: Counter[str] = Counter()
        self.credit = 3
        self.seconds = 0.0
        """How long an answer takes."""
        self.hung_seconds = 60.0
        self.trouble: list[str] = []
        """What the next texts that are new meet with, the last first."""
        self.troubles: dict[int, list[str]] = {}
        """What else they meet with: the n-th new text with these, one after the other."""
        self.own: dict[str, list[str]] = {}

    def hear(self, text: str, key: str) -> tuple[str, bool]:
        """Take a question down; return what trouble to make, and whether there is credit for an answer."""
        with self.lock:
            self.asked.append((text, key))
            self.heard[text] += 1
            if self.heard[text] == 1:
                self.own[text] = list(self.troubles.get(len(self.heard) - 1, ()))
                if self.trouble:
                    self.own[text].append(self.trouble.pop())
            trouble = self.own[text].pop() if self.own[text] else ""
            self.had[trouble] += 1
            pays = not trouble and self.answered.total() < self.credit
            self.answered[text] += pays
            return trouble, pays

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error here."""


class Handler(BaseHTTPRequestHandler):
    """One question."""

    server: Model

    def do_POST(self) -> None:
        """Answer, or fail as was arranged."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        trouble, pays = self.server.hear(text, self.headers["Idempotency-Key"])
        if trouble.isdigit():
            self.reply(int(trouble), BUSY, {"Retry-After": "0"})
        elif trouble == "hung":
            time.sleep(self.server.hung_seconds)
        elif trouble == "malformed":
            self.send(200, b'{"id": "1", "object": "chat.completion", "choices": [{"ind')
        elif trouble == "empty":
            self.reply(200, {"error": {"message": "upstream is gone"}})
        elif not trouble and not pays:
            self.reply(429, NO_CREDIT)
        else:
            self.answer(text, body["model"], cut=trouble == "cut")

    def answer(self, text: str, model: str, *, cut: bool) -> None:
        """Answer in capitals."""
        time.sleep(self.server.seconds)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text.upper()}}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": model, "usage": usage}
        data = json.dumps(answer | {"choices": [choice]}).encode()
        if cut:
            self.send(200, data[: len(data) // 2], length=len(data))
            return
        self.send(200, data)

    def reply(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """Send a whole JSON document."""
        self.send(code, json.dumps(body).encode(), headers)

    def send(self, code: int, data: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        """Send these bytes; with a ``length`` that is longer, the connection ends too early."""
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
