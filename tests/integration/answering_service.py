"""A service on this machine that gives the same answer to every call, or to the first calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


@dataclass
class AnsweringService:
    """The service, from ``with`` to its end."""

    status: int
    body: bytes
    content_type: str = "application/json"
    calls: list[str] = field(default_factory=list)
    """The path of each call."""
    url: str = ""
    answers_right_after: int = 10**9
    """The number of calls after which each answer is ``right_body``, with HTTP 200."""
    right_body: bytes = b"{}"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: AnsweringService


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        service = self.server.service
        with service.lock:
            service.calls.append(self.path)
            if len(service.calls) > service.answers_right_after:
                service.status, service.body, service.content_type = 200, service.right_body, "application/json"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(service.status)
        self.send_header("Content-Type", service.content_type)
        self.send_header("Content-Length", str(len(service.body)))
        self.end_headers()
        self.wfile.write(service.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
