"""Programs that start in milliseconds: forks of one process that has imported the package and done nothing else.

To import SQLAlchemy and Alembic takes half a second, which is most of what a short program needs. A fork is a process
like any other: it has pipes, a folder, a session and an end of its own, and the interpreter ends as it always does. This
module is both sides: run as a program it is the server.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_EARLY: Final = (
    "alembic.command",
    "asyncio",
    "checkpoint_store.execution.store.maintenance",
    "checkpoint_store.job",
    "checkpoint_store.loop.executors.local",
    "checkpoint_store.loop.executors.processes",
    "checkpoint_store.loop.map_loop",
    "checkpoint_store.maintenance",
    "checkpoint_store.manager",
    "checkpoint_store.storage.recovery.recover",
    "checkpoint_store.storage.tables",
    "checkpoint_store.storage.upgrade.migrate",
    "checkpoint_store.storage.upgrade.sqlalchemy_connection",
    "checkpoint_store.store",
    "filelock",
    "resource",
)
_MESSAGE_BYTES_MAX: Final = 1 << 18
_PIPES: Final = 3


class Forked(subprocess.Popen[str]):
    """A program in a fork of the server; its stdin, stdout and stderr are pipes, and its session is its own."""

    def __init__(
        self, server: ForkServer, words: list[str], *, cwd: Path, env: dict[str, str], user: int, empty: Path | None
    ) -> None:
        self._server, self._more = server, {"user": user, "empty": str(empty or "")}
        pipe = subprocess.PIPE
        super().__init__(words, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def _execute_child(self, args: Any, _executable: Any, _preexec: Any, _close: Any, _pass: Any, *rest: Any) -> None:
        cwd, env, _info, _flags, _shell, *pipes = rest[:11]
        order = {"words": args, "cwd": str(cwd), "env": env} | self._more
        self.pid = self._server.fork(order, [pipes[0], pipes[3], pipes[5]])
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _internal_poll(self, _deadstate: int | None = None, *_: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid and self.returncode is None:
                self._handle_exitstatus(status)
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        status = self._server.status_of(self.pid, wait=not wait_flags)
        return (0, 0) if status is None else (self.pid, status)


class ForkServer:
    """The process that forks, and what it has told of its forks."""

    def __init__(self, path: list[Path]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended: dict[int, int] = {}
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", __file__, str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONIOENCODING": "utf-8"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, order: dict[str, Any], pipes: list[int]) -> int:
        """Start a program with these three pipes, and return its process id."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(order).encode()], pipes)
            while True:
                answer = self._read()
                if "pid" in answer:
                    return int(answer["pid"])

    def status_of(self, pid: int, *, wait: bool) -> int | None:
        """Return the wait status of a fork that has ended, which is then gone; None where it runs on."""
        while True:
            with self._lock:
                while select.select([self._socket], [], [], 0)[0]:
                    self._read()
                if pid in self._ended:
                    self._socket.send(json.dumps({"reap": pid}).encode())
                    return self._ended.pop(pid)
            if not wait:
                return None
            select.select([self._socket], [], [], 0.05)

    def _read(self) -> dict[str, int]:
        message = self._socket.recv(_MESSAGE_BYTES_MAX)
        assert message, f"the server of forks ended with {self._process.wait()}"
        answer: dict[str, int] = json.loads(message)
        if "ended" in answer:
            self._ended[answer["ended"]] = answer["status"]
        return answer

    def close(self) -> None:
        """Let the server end; its forks go on."""
        self._socket.close()
        self._process.wait()


def serve(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order until nobody gives any more, and return the order in the fork.

    A fork that has ended stays a zombie until its starter has asked for its status, as a child of the starter would.
    """
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    running: set[int] = set()
    while True:
        ready = select.select([orders, woken], [], [])[0]
        if woken in ready:
            os.read(woken, _MESSAGE_BYTES_MAX)
            for pid in sorted(running):
                if (status := _ended(pid)) is not None:
                    running.discard(pid)
                    orders.send(json.dumps({"ended": pid, "status": status}).encode())
        if orders in ready:
            message, pipes, _flags, _address = socket.recv_fds(orders, _MESSAGE_BYTES_MAX, _PIPES)
            if not message:
                os._exit(0)
            order: dict[str, Any] = json.loads(message)
            if "reap" in order:
                os.waitpid(order["reap"], 0)
                continue
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for end in (woken, waker):
                    os.close(end)
                return order | {"pipes": pipes}
            for pipe in pipes:
                os.close(pipe)
            running.add(pid)
            orders.send(json.dumps({"pid": pid}).encode())


def _ended(pid: int) -> int | None:
    """Return the wait status of a child that has ended, without reaping it."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status << 8 if found.si_code == os.CLD_EXITED else found.si_status


def _make_a_store() -> None:
    """Import all that a store needs, also to migrate: another user may be unable to read where Python is."""
    from checkpoint_store import CheckpointStore  # the other side of this module needs nothing of it

    with tempfile.TemporaryDirectory() as folder, CheckpointStore(Path(folder, "talks.db")) as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "a result")
        store.backup(Path(folder, "copy.db"))


def become(order: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Make this fork the process that was ordered; return its program and the names in which it runs."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup had all of us ignore
    for target, pipe in enumerate(order["pipes"]):
        os.dup2(pipe, target)
        os.close(pipe)
    os.chdir(order["cwd"])
    words = order["words"]
    source = words[1] if words[0] == "-c" else Path(words[0]).read_text("utf-8")
    if user := order["user"]:
        _make_a_store()
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if order["empty"]:
        from store_copies import copy_new_stores

        copy_new_stores(Path(order["empty"]))
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    main = ModuleType("__main__")
    if words[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *words[2:]], ""
        code = compile(source, "<string>", "exec", dont_inherit=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        main.__file__ = words[0]
        code = compile(source, words[0], "exec", dont_inherit=True)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main  # the second is what multiprocessing calls the first
    return code, main.__dict__


if __name__ == "__main__":
    # Tests put the same few chunks under many names.
    warnings.filterwarnings("ignore", "job .* begins, and the store has ", UserWarning)
    for early in _EARLY:
        import_module(early)
    # Or each fork frees all that these modules hold when it ends, goes through it, and copies its pages: 0.2 s of the
    # processor. What a circle keeps, and the collector does not see, is never freed.
    kept: list[object] = [
        dict(vars(module))
        for name, module in sys.modules.items()
        if not name.startswith(("__main__", "checkpoint_store"))
    ]
    kept.append(kept)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as given:
        received = serve(given)
    exec(*become(received))
