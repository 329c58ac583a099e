"""What the tests of executors have done elsewhere: functions that other processes can import."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from checkpoint_store import current_attempt


class TwoArgumentsError(Exception):
    """Cannot be made again from what pickle keeps of it."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def clean(text: str) -> dict[str, Any]:
    attempt = current_attempt()
    return {"text": text.upper(), "key": attempt.attempt_key, "index": attempt.chunk_index}


def who(text: str) -> list[Any]:
    return [os.getpid(), current_attempt().number]


def fails_on_b(text: str) -> str:
    if text == "b":
        raise TwoArgumentsError("this", "that")
    return text


def unstorable(text: str) -> object:
    with Path("calls").open("a") as log:
        log.write(text)
    return {"answer": f"paid for {text}", "at": datetime(2026, 1, 2, tzinfo=UTC), "undo": lambda: text}


def dies_on_b(text: str) -> str:
    with Path("calls").open("a") as log:
        log.write(text)
    if text == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return text


def slow(text: str) -> str:
    Path(f"begun-{text}").touch()
    time.sleep(0.6)
    return text


def hangs_on_b(text: str) -> str:
    Path(f"begun-{text}").touch()
    time.sleep(3600 if text == "b" else 0)
    return text


class AnswerError(ConnectionError):
    """As those of openai: a status and headers, and arguments by name, so that it cannot be sent."""

    def __init__(self, *, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status
        self.response = SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def bad_key(text: str) -> str:
    raise AnswerError(status=401)


def bad_request_on_b(text: str) -> str:
    if text == "b":
        raise AnswerError(status=400)
    return text


def limited(text: str) -> float:
    if current_attempt().number == 1:
        raise AnswerError(status=429, retry_after="0.7")
    return time.time()


def exits_on_b(text: str) -> str:
    if text == "b":
        sys.exit(3)
    return text


class TwoKeysError(Exception):
    """Made again by pickle, it says something else."""

    def __init__(self, first: str, second: str = "nothing") -> None:
        super().__init__(f"{first} and {second}")


def two_keys_on_b(text: str) -> str:
    if text == "b":
        raise TwoKeysError("this", "that")
    return text


def caused_on_b(text: str) -> str:
    if text == "b":
        try:
            raise ConnectionError("refused")
        except ConnectionError as error:
            raise ValueError("no answer") from error
    return text


def waits_for_go(text: str) -> str:
    Path("begun.tmp" + text).write_text(str(os.getpid()))
    Path("begun.tmp" + text).rename(f"begun-{text}")
    while not Path("go").exists():
        time.sleep(0.02)
    return text


def ends_a_fork(text: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the worker has threads
        pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def leaves_a_mark(index: int) -> int:
    Path(f"paid-{index}").touch()
    time.sleep(0.0 if index == 0 else 0.5)
    return index
