"""The program that runs a script for :mod:`checkpoint_store.testing`: it logs the script's calls, and kills it.

It imports nothing of this package, and nothing that is not needed: the script has to find the interpreter as it would
without this program.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_OWN_NAME: Final = "__checkpoint_store_paid__"
_CHECK_INTERVAL_SECONDS: Final = 0.01
_NO_EVENT_SECONDS: Final = 0.3
Call = tuple[str, str]
"""The number of the call, and its identity."""


class Watch:
    """Logs each call of the function that is paid for, and kills the process before the script has a wanted answer.

    If the script makes more than one call at a time, wanted answers are held back until no other call is in work, and
    no call begins any more; then the other answers are recorded. Otherwise a chunk would be in work at each kill, and
    would be given up as a chunk that kills its process.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self._calls_at_once: int = order["calls_at_once"]
        self._held: list[Call] = []
        self._lock, self._last_event = threading.Lock(), time.monotonic()
        self._log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._kill_at: list[str] = order["kill_at"]
        self._ignoring: list[str] = order["ignoring"]
        self._answer = order["answer"]
        self._numbers = itertools.count()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""
        asked, answer = functools.partial(self._asked, function), self._stand_in(function)

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            while self._is_full():
                time.sleep(_CHECK_INTERVAL_SECONDS)
            call = asked(args, kwargs)
            value = answer(*args, **kwargs)
            while self._is_kept_back(call):
                time.sleep(_CHECK_INTERVAL_SECONDS)
            return value

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            while self._is_full():  # noqa: ASYNC110 - for ever: until the process is killed
                await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            call = asked(args, kwargs)
            value = answer(*args, **kwargs)
            value = await value if inspect.isawaitable(value) else value
            while self._is_kept_back(call):  # noqa: ASYNC110 - until the process is killed
                await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            return value

        return awaited if inspect.iscoroutinefunction(function) else watched

    def _stand_in(self, function: Callable[..., Any]) -> Callable[..., Any]:
        match self._answer:
            case {"value": value}:
                return lambda *_, **__: value
            case {"file": file, "name": name}:
                substitute: Callable[..., Any] = _at(_loaded(file), name)
                return substitute
        return function

    def _asked(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Call:
        call = f"{os.getpid()}-{next(self._numbers)}", self._text(function, args, kwargs)
        self._write("asked", call)
        return call

    def _is_full(self) -> bool:
        """Whether as many answers are held back as there can be: no further call may begin."""
        return len(self._held) >= min(self._calls_at_once, len(self._kill_at)) > 0

    def _is_kept_back(self, call: Call) -> bool:
        """Let the script have the answer, or keep it back; where it is time, kill the process."""
        with self._lock:
            if call[1] not in self._kill_at:
                self._write("answered", call)
                return False
            if call not in self._held:
                self._held.append(call)
                self._last_event = time.monotonic()
            if self._calls_at_once == 1 or time.monotonic() - self._last_event > _NO_EVENT_SECONDS:
                self._kill()
            return True

    def _kill(self) -> None:
        for call in self._held:
            self._write("killed", call)
        os.killpg(os.getpgid(0), signal.SIGKILL)
        signal.pause()  # until the signal is here

    def _text(self, function: Callable[..., Any], args: Any, kwargs: Any) -> str:
        """Return the identity of a call: its arguments, by name, as text."""
        try:
            given = dict(inspect.signature(function).bind(*args, **kwargs).arguments)
        except (TypeError, ValueError):  # the call is wrong, and will say so; or nobody knows the signature
            given = {str(number): value for number, value in enumerate(args)} | kwargs
        if next(iter(given), "") in ("self", "cls"):
            del given[next(iter(given))]
        counted = {name: value for name, value in given.items() if name not in self._ignoring}
        return _ADDRESS.sub("", ", ".join(f"{name}={value!r}" for name, value in counted.items()))

    def _write(self, event: str, call: Call) -> None:
        self._last_event = time.monotonic()
        os.write(self._log, f"{json.dumps([event, *call])}\n".encode())


def _loaded(file: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("checkpoint_store_stand_in", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _at(holder: Any, path: str) -> Any:
    for name in path.split("."):
        holder = getattr(holder, name)
    return holder


def definition(tree: ast.Module, path: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return where a script defines a function (``ask``) or a method (``Client.ask``); None where it does not."""
    bodies: list[ast.stmt] = tree.body
    *classes, name = path.split(".")
    for outer in classes:
        bodies = [
            inner for node in bodies if isinstance(node, ast.ClassDef) and node.name == outer for inner in node.body
        ]
    definitions = [
        node for node in bodies if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    return definitions[-1] if definitions else None


def _watch_import(watch: Watch, module: str, path: str) -> None:
    """Put a watched function into the module that the script will import it from."""
    holder_path, _, name = path.rpartition(".")
    holder = importlib.import_module(module)
    holder = _at(holder, holder_path) if holder_path else holder
    watched = inspect.getattr_static(holder, name)
    if isinstance(watched, staticmethod | classmethod):
        setattr(holder, name, type(watched)(watch.wrap(watched.__func__)))
    else:
        setattr(holder, name, watch.wrap(watched))


def run(order: dict[str, Any]) -> None:
    """Run the script as ``python SCRIPT ARGUMENTS`` would, but for the watch."""
    sys.argv = [order["script"], *order["arguments"]]
    sys.path[0] = order["folder"]
    sys.path += order["path"]
    watch, source = Watch(order), Path(order["script"]).read_bytes()
    tree = ast.parse(source, order["script"])
    module_name, colon, path = order["paid"].rpartition(":")
    if colon:
        _watch_import(watch, module_name, path)
    else:
        node = definition(tree, path)
        assert node is not None
        # The innermost decorator: what retries from outside is seen to call again.
        node.decorator_list.append(ast.copy_location(ast.Name(_OWN_NAME, ast.Load()), node))
    main = types.ModuleType("__main__")
    main.__file__ = order["script"]
    setattr(main, _OWN_NAME, watch.wrap)
    sys.modules["__main__"] = main
    exec(compile(tree, order["script"], "exec", dont_inherit=True), main.__dict__)  # noqa: S102 - the user's own script


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text("utf-8")))
