"""The batch example, against servers that speak OpenAI's and Anthropic's batch interfaces."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest
from conftest import ROOT, program

from checkpoint_store import CheckpointStore

from .batch_services import HANDLERS, BatchService

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

EXAMPLE = ROOT / "examples" / "batch_api.py"
KILLED = program(__file__, "killed_batch")
PARTS = ["um, good morning", "fails 1: rivers", "um, good morning", "the sea", "fails 1: the end"]
"""Two are the same, and two fail once. (A kill before anything was recorded may be the first of three tries.)"""
PROVIDERS = pytest.mark.parametrize("provider", sorted(HANDLERS))
CALLS_MAX = 100


@contextmanager
def serving(provider: str) -> Iterator[BatchService]:
    """A running server."""
    with BatchService(HANDLERS[provider]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def start(children: Children, server: BatchService, provider: str, *before: object) -> subprocess.Popen[str]:
    """Start the example on ``talk.txt``; ``before`` are words of a program that runs it."""
    base = f"http://127.0.0.1:{server.server_port}"
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            environment.delenv(name)
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
            environment.setenv(name, "key")
        environment.setenv("OPENAI_BASE_URL", f"{base}/v1")
        environment.setenv("ANTHROPIC_BASE_URL", base)
        environment.setenv("BATCH_POLL_SECONDS", "0.01")
        first, *more = [*before, EXAMPLE, "talk.txt", "--provider", provider]
        process = children.start(cast("Path", first), *more)
    server.client_pid = process.pid
    return process


def finish(children: Children, folder: Path, server: BatchService, provider: str, parts: list[str] = PARTS) -> None:
    """Run the example to its end, and expect every paragraph answered, and the tokens of each line counted once."""
    server.kill_at = None
    process = start(children, server, provider)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert (folder / "talk.cleaned.txt").read_text() == "\n\n".join(parts).upper() + "\n"
    with CheckpointStore(folder / ".processing_state.db") as store:
        assert store.job("talk.txt").totals("input_tokens") == {"input_tokens": 10 * len(set(parts))}


def killed(process: subprocess.Popen[str]) -> bool:
    """Whether a run was killed; one that was not did all of its work."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A folder with a text of five paragraphs."""
    (tmp_path / "talk.txt").write_text("\n\n".join(PARTS))
    return tmp_path


@pytest.mark.slow
@PROVIDERS
def test_a_whole_job_through_a_batch_interface(children: Children, talk: Path, provider: str) -> None:
    """Three batches: all paragraphs, those that failed, and the one that failed again; each asked for when done."""
    parts = [*PARTS, "fails 2: really"]
    (talk / "talk.txt").write_text("\n\n".join(parts))
    with serving(provider) as server:
        finish(children, talk, server, provider, parts)
        assert [len(batch["outcomes"]) for batch in server.batches.values()] == [5, 3, 1]
        assert server.paid_twice() == {}
        finish(children, talk, server, provider, parts)  # which has nothing left to do
        assert len(server.batches) == 3
    with CheckpointStore(talk / ".processing_state.db") as store:
        job = store.job("talk.txt")
        assert (job.status, job.totals("input_tokens")) == ("completed", {"input_tokens": 50})


@pytest.mark.slow
@PROVIDERS
@pytest.mark.parametrize("before", [True, False])
def test_killed_while_it_submits(children: Children, talk: Path, provider: str, before: bool) -> None:
    """Whether the service took the batch or not, the next run finds out, and submits nothing twice."""
    with serving(provider) as server:
        server.kill_at, server.kill_before = {"openai": 4, "anthropic": 3}[provider], before
        assert killed(start(children, server, provider))
        assert len(server.batches) == (not before)
        finish(children, talk, server, provider)
        assert server.paid_twice() == {}


@pytest.mark.slow
@pytest.mark.parametrize("apart", [2, pytest.param(1, marks=pytest.mark.storm)])
@pytest.mark.parametrize(("provider", "before", "first"), [("openai", False, 1), ("anthropic", True, 2)])
def test_killed_at_every_call_of_the_service(
    children: Children, talk: Path, provider: str, before: bool, first: int, apart: int
) -> None:
    """Before the service did anything, or after it did it and before the answer came: nothing is submitted twice."""
    for number in range(first, CALLS_MAX, apart):
        for path in talk.glob(".processing_state*"):
            path.unlink()
        with serving(provider) as server:
            server.kill_at, server.kill_before = number, before
            if not killed(start(children, server, provider)):
                break
            finish(children, talk, server, provider)
            assert server.paid_twice() == {}, number
    assert 12 <= number < CALLS_MAX - 1


@pytest.mark.slow
@pytest.mark.parametrize("apart", [2, pytest.param(1, marks=pytest.mark.storm)])
@pytest.mark.parametrize(("provider", "when", "first"), [("openai", "before", 1), ("anthropic", "after", 2)])
def test_killed_at_every_call_of_the_store(
    children: Children, talk: Path, provider: str, when: str, first: int, apart: int
) -> None:
    """Before a handle or a result was recorded, or after it: nothing is submitted twice."""
    for number in range(first, CALLS_MAX, apart):
        for path in talk.glob(".processing_state*"):
            path.unlink()
        with serving(provider) as server:
            if not killed(start(children, server, provider, KILLED, number, when)):
                break
            finish(children, talk, server, provider)
            assert server.paid_twice() == {}, number
    assert 12 <= number < CALLS_MAX - 1


@pytest.mark.slow
@PROVIDERS
def test_an_edit_while_the_service_works_submits_the_new_paragraph_alone(
    children: Children, talk: Path, provider: str
) -> None:
    """The run was killed while it waited; the text was edited; what the service holds is asked for at its new place."""
    with serving(provider) as server:
        server.kill_at, server.kill_before = {"openai": 5, "anthropic": 4}[provider], True
        assert killed(start(children, server, provider))
        edited = ["a new beginning", *PARTS]
        (talk / "talk.txt").write_text("\n\n".join(edited))
        finish(children, talk, server, provider, edited)
        assert server.paid_twice() == {}


@pytest.mark.slow
@PROVIDERS
def test_the_server_notices_what_is_submitted_twice(children: Children, talk: Path, provider: str) -> None:
    """The control: without handles, a run that was killed after it submitted pays for every paragraph again."""
    with serving(provider) as server:
        server.kill_at = {"openai": 5, "anthropic": 4}[provider]
        assert killed(start(children, server, provider))
        with CheckpointStore(talk / ".processing_state.db") as store:
            job = store.job("talk.txt")
            job.record_handle(range(job.total_chunks), None)
        finish(children, talk, server, provider)
        assert set(server.paid_twice()) == {"um, good morning", "the sea"}
