"""Local servers that speak the batch interfaces of OpenAI and Anthropic, and kill their client in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POLLS = 2
"""A batch is done when it was asked for so many times."""


class BatchService(ThreadingHTTPServer):
    """What both have in common: batches of lines, each answered in capitals, or failed as long as its text says so.

    A text ``fails 2: …`` fails twice. At the call with the number ``kill_at`` the client is killed: before anything is
    done about the call, or after it was done and before the client hears of it.
    """

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.lock = threading.Lock()
        self.client_pid = 0
        self.kill_at: int | None = None
        self.kill_before = False
        self.calls = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        """Each with its lines, and how often it was asked for; the oldest first."""
        self.submitted: Counter[str] = Counter()
        """How often each text was in a batch."""
        self.failed: Counter[str] = Counter()
        """How often it failed."""

    def begin(self, lines: dict[str, str], **more: Any) -> str:
        """Make a batch of texts by line id, and return its id."""
        batch_id = f"batch_{len(self.batches)}"
        outcomes = {}
        for line, text in lines.items():
            self.submitted[text] += 1
            fails = re.match(r"fails (\d)", text)
            outcomes[line] = None if fails and self.failed[text] < int(fails[1]) else text.upper()
            self.failed[text] += outcomes[line] is None
        self.batches[batch_id] = {"outcomes": outcomes, "polls": 0, **more}
        return batch_id

    def poll(self, batch_id: str) -> bool:
        """Whether a batch is done, asked once more."""
        batch = self.batches[batch_id]
        batch["polls"] += 1
        return bool(batch["polls"] >= POLLS)

    def paid_twice(self) -> dict[str, int]:
        """The texts that were in a batch although the service had them, or had answered them."""
        return {text: count for text, count in self.submitted.items() if count > self.failed[text] + 1}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error here."""


class Handler(BaseHTTPRequestHandler):
    """One call."""

    server: BatchService

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        """Do what is asked for, and kill the client where that is its time."""
        with self.server.lock:
            self.server.calls += 1
            is_last = self.server.calls == self.server.kill_at
            if is_last and self.server.kill_before:
                os.kill(self.server.client_pid, signal.SIGKILL)
                return
            code, data = self.respond(self.path.partition("?")[0].strip("/").split("/"), body)
            if is_last:
                os.kill(self.server.client_pid, signal.SIGKILL)
                return
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def respond(self, path: list[str], body: bytes) -> tuple[int, Any]:
        raise NotImplementedError

    def page(self, cursor: str) -> dict[str, Any]:
        """One page of the list of batches, the newest first: two at a time, so that clients have to turn pages."""
        ids = list(reversed(self.server.batches))
        after = re.search(rf"[?&]{cursor}=(\w+)", self.path)
        rest = ids[ids.index(after[1]) + 1 :] if after else ids
        shown = rest[:2]
        last = shown[-1] if shown else None
        return {"data": [self.shown(one) for one in shown], "has_more": len(rest) > len(shown), "last_id": last}

    def shown(self, batch_id: str) -> dict[str, Any]:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class OpenAIHandler(Handler):
    """POST files and batches, GET batches and the content of files."""

    def respond(self, path: list[str], body: bytes) -> tuple[int, Any]:
        assert self.headers["Authorization"] == "Bearer key"
        match [self.command, *path]:
            case ["POST", "v1", "files"]:
                head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
                parts = {
                    part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
                }
                assert parts["purpose"] == b"batch"
                file_id = f"file_{len(self.server.files)}"
                self.server.files[file_id] = parts["file"]
                return 200, {"id": file_id, "object": "file", "purpose": "batch"}
            case ["POST", "v1", "batches"]:
                wanted = json.loads(body)
                lines = [json.loads(line) for line in self.server.files[wanted["input_file_id"]].splitlines()]
                assert {line["url"] for line in lines} == {wanted["endpoint"]} == {"/v1/chat/completions"}
                texts = {line["custom_id"]: line["body"]["messages"][-1]["content"] for line in lines}
                assert len(texts) == len(lines)
                return 200, self.shown(self.server.begin(texts, metadata=wanted["metadata"]))
            case ["GET", "v1", "batches"]:
                return 200, {"object": "list", **self.page("after")}
            case ["GET", "v1", "batches", batch_id] if batch_id in self.server.batches:
                self.server.poll(batch_id)
                return 200, self.shown(batch_id)
            case ["GET", "v1", "files", file_id, "content"]:
                kind, _, batch_id = file_id.partition("-")
                outcomes = self.server.batches[batch_id]["outcomes"].items()
                wanted_lines = [(line, text) for line, text in outcomes if (text is None) == (kind == "error")]
                return 200, "".join(json.dumps(self.line(*one)) + "\n" for one in reversed(wanted_lines)).encode()
        return 404, {"error": {"message": f"no {path}"}}

    def shown(self, batch_id: str) -> dict[str, Any]:
        batch = self.server.batches[batch_id]
        is_done, outcomes = batch["polls"] >= POLLS, batch["outcomes"].values()
        return {
            "id": batch_id,
            "object": "batch",
            "status": "completed" if is_done else "in_progress",
            "metadata": batch["metadata"],
            "output_file_id": f"output-{batch_id}" if is_done and any(outcomes) else None,
            "error_file_id": f"error-{batch_id}" if is_done and None in outcomes else None,
        }

    def line(self, line_id: str, text: str | None) -> dict[str, Any]:
        if text is None:
            refused = {"status_code": 500, "request_id": "r", "body": {"error": {"message": "try again"}}}
            return {"id": "1", "custom_id": line_id, "response": refused, "error": None}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        body = {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}
        response = {"status_code": 200, "request_id": "r", "body": body}
        return {"id": "1", "custom_id": line_id, "response": response, "error": None}


class AnthropicHandler(Handler):
    """POST message batches, GET them and their results."""

    def respond(self, path: list[str], body: bytes) -> tuple[int, Any]:
        assert (self.headers["x-api-key"], self.headers["anthropic-version"]) == ("key", "2023-06-01")
        match [self.command, *path[2:]]:
            case ["POST", "batches"]:
                requests = json.loads(body)["requests"]
                assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", request["custom_id"]) for request in requests)
                texts = {one["custom_id"]: one["params"]["messages"][-1]["content"] for one in requests}
                assert len(texts) == len(requests)
                return 200, self.shown(self.server.begin(texts))
            case ["GET", "batches"]:
                return 200, self.page("after_id")
            case ["GET", "batches", batch_id] if batch_id in self.server.batches:
                self.server.poll(batch_id)
                return 200, self.shown(batch_id)
            case ["GET", "batches", batch_id, "results"]:
                outcomes = self.server.batches[batch_id]["outcomes"].items()
                return 200, "".join(json.dumps(self.line(*one)) + "\n" for one in reversed(list(outcomes))).encode()
        return 404, {"type": "error", "error": {"type": "not_found_error", "message": f"no {path}"}}

    def shown(self, batch_id: str) -> dict[str, Any]:
        is_done = self.server.batches[batch_id]["polls"] >= POLLS
        results = f"http://127.0.0.1:{self.server.server_port}/v1/messages/batches/{batch_id}/results"
        return {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "ended" if is_done else "in_progress",
            "results_url": results if is_done else None,
        }

    def line(self, line_id: str, text: str | None) -> dict[str, Any]:
        if text is None:
            error = {"type": "error", "error": {"type": "api_error", "message": "try again"}}
            return {"custom_id": line_id, "result": {"type": "errored", "error": error}}
        message = {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        return {"custom_id": line_id, "result": {"type": "succeeded", "message": message}}


HANDLERS: dict[str, type[Handler]] = {"openai": OpenAIHandler, "anthropic": AnthropicHandler}
