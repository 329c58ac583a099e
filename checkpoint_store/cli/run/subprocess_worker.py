"""COMMAND: a program that gets a piece on stdin and gives the cleaned text on stdout."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any, Final

from checkpoint_store.cli.screen import plain

_TAIL_LINES: Final = 8
_TAIL_CHARACTERS: Final = 2_000
_GRACE_SECONDS: Final = 1.0


class CommandFailedError(Exception):
    """COMMAND gave no cleaned text. ``reason`` is one line, ``stderr`` the last lines that it wrote there."""

    chunk_index: int | None = None

    def __init__(self, reason: str, stderr: str = "") -> None:
        self.reason, self.stderr = reason, stderr
        super().__init__(f"{reason}\n{stderr}" if stderr else reason)


class CommandMissingError(CommandFailedError):
    """COMMAND cannot be started, for this chunk or any other."""


class CommandKilledError(BaseException):
    """COMMAND was ended by :meth:`Command.kill`. No Exception: no chunk has failed by it, and none is to be retried."""


class Command:
    """Runs one program again and again, once for each piece; several threads may call it at the same time.

    It gets a session of its own, so that a Ctrl-C in the terminal does not reach it: what it does for the
    piece in hand may have been paid for. It has no terminal to ask questions on.

    Args:
        argv: the program and its arguments.
        timeout_seconds: how long it may take for a piece before it is ended.
    """

    def __init__(self, argv: tuple[str, ...], *, timeout_seconds: float | None = None) -> None:
        self._argv = argv
        self._timeout_seconds = timeout_seconds
        # Without a lock: a signal handler that waits for one which its own thread holds waits for ever.
        self._children: set[subprocess.Popen[bytes]] = set()
        self._killed = False

    def __call__(self, text: str) -> tuple[dict[str, Any], str]:
        """Return the fields that the program gave for ``text`` (``cleaned_text`` at least), and its stderr.

        Raises:
            CommandFailedError: it took too long, ended with another code than 0, or gave nothing.
            CommandMissingError: it could not be started.
            CommandKilledError: :meth:`kill` was called meanwhile.
        """
        stdout, stderr, code = self._communicate(text)
        said = plain(stderr.decode("utf-8", "replace")).strip()
        if self._killed:
            raise CommandKilledError
        if code:
            raise CommandFailedError(f"{self._argv[0]!r} {_how_it_ended(code)}", _tail(said))
        try:
            fields = _fields(stdout.decode("utf-8").strip())
        except UnicodeDecodeError as error:
            reason = f"{self._argv[0]!r} wrote what is not UTF-8: {error}"
            raise CommandFailedError(reason, _tail(said)) from error
        if fields is None:
            # A client that swallows its own error looks like this; recording it would lose a piece of text.
            remedy = 'if that is meant, let it print {"cleaned_text": ""}'
            raise CommandFailedError(f"{self._argv[0]!r} printed nothing ({remedy})", _tail(said))
        return fields, said

    def kill(self) -> None:
        """End every running program and what it started, at once; may be called from a signal handler."""
        self._killed = True
        for child in self._children.copy():
            if child.returncode is None:
                _kill_group(child)

    def _end_if_killed(self, child: subprocess.Popen[bytes]) -> None:
        if self._killed:  # between its start and its being known
            _kill_group(child)

    def _communicate(self, text: str) -> tuple[bytes, bytes, int]:
        if self._killed:
            raise CommandKilledError
        try:
            child = _start(self._argv)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CommandMissingError(f"{self._argv[0]!r} cannot be started: {reason}") from error
        self._children.add(child)
        try:
            self._end_if_killed(child)
            # A program that does not read its stdin is no error: communicate passes over the broken pipe.
            stdout, stderr = child.communicate(text.encode("utf-8"), timeout=self._timeout_seconds)
        except subprocess.TimeoutExpired as late:
            _kill_group(child)
            raise CommandFailedError(
                f"{self._argv[0]!r} took longer than {self._timeout_seconds:g} s and was ended", _last_words(child)
            ) from late
        except BaseException:
            _kill_group(child)
            child.wait()
            raise
        finally:
            self._children.discard(child)
        return stdout, stderr, child.returncode


def _last_words(child: subprocess.Popen[bytes]) -> str:
    """Return the end of what an ended program wrote on stderr; whatever else holds that pipe is not waited for."""
    try:
        _, stderr = child.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired as late:
        stderr = late.stderr or b""
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    return _tail(plain(stderr.decode("utf-8", "replace")).strip())


def _start(argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    # Running what the person typed is the purpose; there is no shell in between.
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, **apart)  # noqa: S603


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)


def _how_it_ended(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _fields(stdout: str) -> dict[str, Any] | None:
    """A JSON object with a ``cleaned_text`` is kept whole, for its costs to be added up; else it is text."""
    if not stdout:
        return None
    if stdout.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(stdout)
            if isinstance(value, dict) and isinstance(value.get("cleaned_text"), str):
                return value
    return {"cleaned_text": stdout}


def _tail(text: str) -> str:
    return "\n".join(text[-_TAIL_CHARACTERS:].splitlines()[-_TAIL_LINES:])
