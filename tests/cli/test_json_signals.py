"""SIGTERM in a command that prints JSON: one whole document or nothing, and the exit code that a shell expects."""

from __future__ import annotations

import io
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.ended import Terminated
from checkpoint_store.cli.run.outputs.output import StandardOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder

STORE = ".processing_state.db"
ENDED = {"error": "ended by SIGTERM", "type": "Terminated", "exit_code": 143}
PAUSED = ENDED | {"error": str(Terminated(signal.SIGTERM, goes_on=True)), "exit_code": 75}
WORDS = {
    "list": (),
    "doctor": (),
    "check": (),
    "path": (),
    "merge": ("a",),
    "import": ("a",),
    **dict.fromkeys(("show", "results", "chunks", "errors", "report", "plan", "run", "delete"), ("talk.txt",)),
}


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """The command finds the signals as a new process does, whatever handler another test's loop has left in this one."""
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def talk(folder: Folder) -> Folder:
    """A job of two hundred chunks, each with a result of four thousand characters."""
    folder.write("talk.txt", "One.")
    folder.write("a", "{}")
    with CheckpointStore(folder.path / STORE, durability="process") as store:
        job = store.open_job("talk.txt", total_chunks=200)
        job.complete_many((index, {"cleaned_text": "x" * 4_000}) for index in range(200))
    return folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", WORDS)
def test_sigterm_is_told_in_json(talk: Folder, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it works, the error is the document; afterwards the signal does what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(click.Command, "invoke", lambda *_: signal.raise_signal(signal.SIGTERM))
    done = talk.run(command, *WORDS[command], "--json", code=75 if command == "run" else 143)
    assert json.loads(done.stdout) == (PAUSED if command == "run" else ENDED)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow_variants
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_a_document_is_printed_prints_no_second_one(
    talk: Folder, number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal during the printing of a document leaves one whole document, and the signal's exit code."""
    echo, signals = click.echo, [number]

    def interrupted(*words: Any, **named: Any) -> None:
        echo(*words, **named)
        if signals:  # once: a second one ends the process
            signal.raise_signal(signals.pop())

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(click, "echo", interrupted)
    try:
        assert json.loads(talk.run("list", "--json", code=code).stdout)["jobs"][0]["file_name"] == "talk.txt"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("results", "--json"), ("export",)], ids=" ".join)
def test_sigterm_tears_no_document(talk: Folder, words: tuple[str, ...]) -> None:
    """Ended while a slow reader keeps the pipe full, what comes out is JSON: whole, or an array that ends with why."""
    process = talk.process(*words)
    assert process.stdout is not None
    begin = process.stdout.read(1)  # the pipe is full, or soon will be
    process.send_signal(signal.SIGTERM)
    document: Any = json.loads(begin + process.stdout.read())
    process.communicate()
    assert process.returncode == 143
    if isinstance(document, list):
        assert document[-1] == ENDED
        assert [result["chunk_index"] for result in document[:-1]] == list(range(len(document) - 1))
    else:
        assert len(document["processed_results"]) == 200


def test_without_json_the_signal_is_left_alone(talk: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for people ends at once, as every program does."""
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []
    monkeypatch.setattr(click.Command, "invoke", lambda *_: seen.append(signal.getsignal(signal.SIGTERM)))
    talk.run("list")
    assert seen.pop() is before
    talk.run("list", "--json")
    assert seen.pop() is not before


def test_an_ignored_sighup_stays_ignored(talk: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command under nohup goes on after SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(click.Command, "invoke", lambda *_: signal.raise_signal(signal.SIGHUP))
    try:
        assert talk.run("list", "--json").code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_text_is_whole_where_a_signal_makes_writes_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python does not buffer, what a write leaves over is written, too."""

    class Short(io.RawIOBase):
        written = b""

        def write(self, data: Any) -> int:
            self.written += bytes(data[:5])
            return min(5, len(data))

    stdout = io.TextIOWrapper(Short())  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdout", stdout)
    StandardOutput().write("a text of some length", "job", has_new_results=True)
    assert stdout.buffer.written == b"a text of some length"  # type: ignore[attr-defined]
