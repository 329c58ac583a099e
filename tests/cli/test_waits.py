"""A command that waits for another process says for whom, and how long it waits at most."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection import busy, open_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children

    from .conftest import Folder

HOLD = """from checkpoint_store import CheckpointStore
with CheckpointStore(".processing_state.db"):
    print("open", flush=True)
    input()"""


@pytest.fixture
def stored(folder: Folder) -> Folder:
    """A folder with a closed store, and ``copy.db``, a backup of it."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(folder.path / "copy.db")
    return folder


@pytest.fixture
def at_a_wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let every wait be a long one, and call a function after its line, so that it ends."""

    def until(end: Callable[[], object]) -> None:
        for module in (open_lock, busy):
            real = module.log_wait

            def said(*arguments: Any, real: Callable[..., object] = real) -> None:
                real(*arguments)
                end()

            monkeypatch.setattr(module, "LOG_WAIT_AFTER_SECONDS", 0.0)
            monkeypatch.setattr(module, "log_wait", said)

    return until


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("restore", "copy.db"), ("recover",), ("migrate", "--to", "1.0")], ids=" ".join)
def test_a_command_that_needs_the_store_alone_names_who_has_it_open(
    stored: Folder, children: Children, at_a_wait: Callable[[Callable[[], object]], None], words: tuple[str, ...]
) -> None:
    """The line has the process and the longest wait; once that process has closed the store, the command goes on."""
    holder = children.start(HOLD)
    assert children.next_line(holder) == "open"
    at_a_wait(lambda: children.pass_gate([holder]))
    said = stored.run(*words).stderr
    store = stored.path / ".processing_state.db"
    assert f"checkpoint-store: {store} is open in process {holder.pid} (" in said
    assert ": waiting up to 10 s\n" in said


@pytest.mark.parametrize(
    "words", [("prune", "--keep-last", "0", "--yes"), ("merge", "copy.db"), ("pause",)], ids=" ".join
)
def test_a_command_that_writes_says_that_another_process_is_writing(
    stored: Folder, at_a_wait: Callable[[Callable[[], object]], None], words: tuple[str, ...]
) -> None:
    """Nobody takes it for hanging."""
    store = stored.path / ".processing_state.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        at_a_wait(lambda: other.execute("ROLLBACK"))
        said = stored.run(*words).stderr
    assert f"checkpoint-store: {store} is locked by another process: waiting up to 10 s\n" in said


def test_a_command_that_waits_for_nobody_says_nothing_of_it(stored: Folder) -> None:
    """Other lines of the log are for programs."""
    assert "waiting" not in stored.run("restore", "copy.db").stderr
