"""A signal handler of the program sets a status, as in ``manager.set_status("paused")``, in the middle of any call."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ProcessingState, StateManager
from checkpoint_store.execution.claims import requests
from checkpoint_store.state_file.pace import WritingPace
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.connection.file_guard import FileGuard
from checkpoint_store.storage.connection.store_file import ReaderConnection
from checkpoint_store.storage.verbs.states import StateVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Children

MOMENTS = [
    ("save", StateVerbs, "save"),
    ("save", FileGuard, "refuse_if_moved"),
    ("save", StateFile, "_update"),
    ("update", ReaderConnection, "ready"),
    ("update", FileGuard, "refuse_if_moved"),
    ("update", StateFile, "_update"),
]


@pytest.fixture
def on_sigterm() -> Iterator[Callable[[Callable[..., object]], None]]:
    """Sets a handler of SIGTERM for the length of a test."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda handler: signal.signal(signal.SIGTERM, handler) and None  # type: ignore[arg-type, return-value]
    signal.signal(signal.SIGTERM, before)


def _interrupt(monkeypatch: pytest.MonkeyPatch, holder: Any, method: str) -> None:
    original = getattr(holder, method)

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(holder, method, original)
        signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments, **options)

    monkeypatch.setattr(holder, method, interrupted)


def _run_at_once(record: Callable[[], None], _: tuple[()]) -> None:
    thread = threading.Thread(target=record)
    thread.start()
    thread.join(0.5)  # not longer: the interrupted call may have the lock that this thread waits for


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_early", [False, True])
@pytest.mark.parametrize(("call", "holder", "method"), MOMENTS)
def test_a_manager_sets_a_status_in_the_middle_of_its_own_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_sigterm: Callable[[Callable[..., object]], None],
    call: str,
    holder: type,
    method: str,
    is_early: bool,
) -> None:
    """The interrupted call goes on: its chunk is recorded, and the job is paused with the message.

    The thread that records the status may be earlier than the interrupted call, where the call has no lock yet.
    """
    path = tmp_path / "state.json"
    monkeypatch.setattr(WritingPace, "is_due", lambda *_: True)  # else a busy machine puts off what is interrupted
    if is_early:
        monkeypatch.setattr(requests._thread, "start_new_thread", _run_at_once)
    with StateManager(path) as manager:
        state = ProcessingState(file_name="talk.srt", total_chunks=3, status="running")
        manager.save(state)
        on_sigterm(lambda *_: manager.set_status("paused", "asked to stop"))
        _interrupt(monkeypatch, holder, method)
        if call == "save":
            manager.save(state.replace(completed_chunks=[0], processed_results=["x"]))
        else:
            manager.update_chunk_complete(0, "x")
        assert getattr(holder, method).__name__ == method, "no call was interrupted"
    loaded = StateManager(path).load()
    assert loaded is not None
    assert (loaded.status, loaded.error_message, loaded.completed_chunks) == ("paused", "asked to stop", [0])


@pytest.mark.parametrize("call", ["load", "save", "has_incomplete_job"])
def test_a_call_after_the_interrupted_call_comes_after_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_sigterm: Callable[[Callable[..., object]], None], call: str
) -> None:
    """What the program loads has the status of the handler, and what it saves stands, however busy the machine is."""
    monkeypatch.setattr(requests._thread, "start_new_thread", lambda *_: None)  # a thread that begins much later
    with StateManager(tmp_path / "state.json") as manager:
        state = ProcessingState(file_name="talk.srt", total_chunks=3, status="running")
        manager.save(state)
        on_sigterm(lambda *_: manager.set_status("failed", "asked to stop"))
        _interrupt(monkeypatch, FileGuard, "refuse_if_moved")
        manager.update_chunk_complete(0, "x")
        if call == "has_incomplete_job":
            assert not manager.has_incomplete_job()
        elif call == "load":
            loaded = manager.load()
            assert loaded is not None
            assert (loaded.status, loaded.error_message) == ("failed", "asked to stop")
        else:
            manager.save(state.replace(status="paused"))
    after = StateManager(tmp_path / "state.json").load()
    assert after is not None
    assert after.status == ("paused" if call == "save" else "failed")


def test_a_job_sets_a_status_in_the_middle_of_a_completion(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, on_sigterm: Callable[[Callable[..., object]], None]
) -> None:
    """``job.fail`` in a handler waits for nothing, and a status that is set later stands."""
    job = store.open_job("talk.srt", total_chunks=2)
    on_sigterm(lambda *_: job.fail("a signal came"))
    _interrupt(monkeypatch, FileGuard, "refuse_if_moved")
    job.complete(0, "x")
    job.set_status("paused")
    assert (job.status, job.error_message) == ("paused", None)
    assert list(job.items()) == [(0, "x")]


def test_a_handler_that_exits_after_its_status_leaves_the_job_paused(children: Children, tmp_path: Path) -> None:
    """A processor sets ``paused`` when it is told to stop, and exits; nobody closes its manager."""
    children.run(program(__file__, "pause_and_exit"), "manager", code=3)
    with StateManager(tmp_path / "state.json") as manager:
        state = manager.load()
    assert state is not None
    assert state.status == "paused"
    assert state.completed_chunks == [0]
