"""A service on this machine that fails the way services do, and the work that calls it."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from checkpoint_store import Job
    from checkpoint_store.model.loop_records import LoopEvent

POISON = "poison"
"""The prompt at which the service always fails."""


@dataclass
class Outages:
    """What goes wrong, and when: each outage begins once so many prompts were answered, and lasts so many seconds."""

    busy_with_hint: tuple[int, float] = (10**9, 0)
    """429 with Retry-After: 1."""
    busy: tuple[int, float] = (10**9, 0)
    """429 without."""
    refused: tuple[int, float] = (10**9, 0)
    """No connection."""
    wrong_key_from: int = 10**9
    """401, for good, until the key is mended."""
    slow: frozenset[str] = frozenset()
    """Prompts whose answer takes its time."""
    cut: frozenset[str] = frozenset()
    """Prompts at whose first call the connection is cut."""


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    service: Service

    def handle_error(self, *_: Any) -> None:
        """Say nothing: connections are cut on purpose."""


@dataclass
class Service:
    """The service, from ``with`` to its end. Its port stays the same over all outages."""

    outages: Outages
    port: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    """How often each prompt was answered, and paid for."""
    calls: list[tuple[float, int]] = field(default_factory=list)
    """When each call came, and the status that it got; 0 for a connection that was cut."""
    key_is_right: bool = False
    comes_back: threading.Event = field(default_factory=threading.Event)
    """Ends the time without a connection early."""
    failed_chunks: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}
        self._was_cut: set[str] = set()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._hang_up()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.service = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def _refuse(self, seconds: float) -> None:
        self._hang_up()
        self.comes_back.wait(seconds)
        self._listen()

    def note(self, event: LoopEvent) -> None:
        """End the time without a connection once ten chunks failed, however long that takes."""
        self.failed_chunks += event.kind == "failed"
        if self.failed_chunks == 10:
            self.comes_back.set()

    def _is_on(self, name: str, outage: tuple[int, float]) -> bool:
        after, seconds = outage
        if len(self.answered) < after:
            return False
        return time.monotonic() < self._began.setdefault(name, time.monotonic()) + seconds

    def answer(self, prompt: str) -> tuple[int, dict[str, str]]:
        """Return the status and the headers for a call; 0 cuts the connection."""
        with self._lock:
            status, headers = self._answer(prompt)
            self.calls.append((time.monotonic(), status))
            if status == 200:
                self.answered[prompt] += 1
        return status, headers

    def _answer(self, prompt: str) -> tuple[int, dict[str, str]]:
        outages = self.outages
        if len(self.answered) >= outages.wrong_key_from and not self.key_is_right:
            return 401, {}
        if self._is_on("busy_with_hint", outages.busy_with_hint):
            return 429, {"Retry-After": "1"}
        if self._is_on("busy", outages.busy):
            return 429, {}
        if len(self.answered) >= outages.refused[0] and "refused" not in self._began:
            self._began["refused"] = time.monotonic()
            threading.Thread(target=self._refuse, args=(outages.refused[1],), daemon=True).start()
            return 0, {}
        if prompt in outages.cut and prompt not in self._was_cut:
            self._was_cut.add(prompt)
            return 0, {}
        return (500, {}) if prompt == POISON else (200, {})


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        prompt = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, headers = self.server.service.answer(prompt)
        if status == 0:
            self.close_connection = True
            return
        if prompt in self.server.service.outages.slow:
            time.sleep(0.3)
        body = json.dumps({"answer": prompt.upper()}).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Client:
    """The work of a loop: one call of the service for each prompt. It counts its calls, refused ones included."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.calls: list[str] = []

    def __call__(self, prompt: str) -> Any:
        self.calls.append(prompt)
        url = f"http://127.0.0.1:{self._port}/"
        try:
            with urllib.request.urlopen(url, data=prompt.encode(), timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise


async def map_async(job: Job, port: int, workers: int) -> int:
    """Work through a job under ``amap``, with the errors of another client; return how many calls that took."""
    import aiohttp  # what else is here is used by programs that need no client

    calls = 0
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def ask(prompt: str) -> Any:
            nonlocal calls
            calls += 1
            async with session.post(f"http://127.0.0.1:{port}/", data=prompt) as response:
                return await response.json(content_type=None)

        async for _ in job.amap(ask, workers=workers, on_error="record"):
            pass
    return calls
