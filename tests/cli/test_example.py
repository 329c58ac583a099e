"""The LLM example, against a server that speaks the same protocol."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .chat_server import TROUBLES, Model
from .conftest import ROOT, SAMPLE, Folder

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = SAMPLE.parent / "clean_with_llm.py"
CANARY = "sk-proj-Canary0Canary1Canary2Canary3"
pytestmark = pytest.mark.skipif(find_spec("openai") is None, reason="the example needs it: pip install openai")


@pytest.fixture
def model() -> Iterator[Model]:
    """A running server."""
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def start(folder: Folder, model: Model, **pipes: Any) -> subprocess.Popen[str]:
    """Start the example on the sample."""
    settings = {
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": CANARY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1",
        "OPENAI_TIMEOUT": "1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | settings
    argv = [sys.executable, str(EXAMPLE), "talk.txt"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes
    return subprocess.Popen(argv, cwd=folder.path, env=environment, text=True, **pipes)


def run(folder: Folder, model: Model) -> subprocess.CompletedProcess[str]:
    """Run the example on the sample to its end."""
    process = start(folder, model)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.mark.slow
def test_the_example_pays_for_no_chunk_twice_and_keeps_no_key(folder: Folder, model: Model) -> None:
    """The credit ends after three chunks: the job is paused at once; the next run asks for the rest only.

    The key is in no file.
    """
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    stopped = run(folder, model)
    assert stopped.returncode == 1
    assert "no credit left" in stopped.stderr
    job = folder.json("show")
    assert (job["status"], job["completed_chunks"], job["failed_chunks"]) == ("paused", 3, 0)
    turned_away = len(model.asked) - 3
    assert 1 <= turned_away <= 4  # those that were in work beside it, each once
    model.credit = 1000
    done = run(folder, model)
    assert done.returncode == 0, done.stderr
    assert (len(model.answered), set(model.answered.values())) == (job["total_chunks"], {1})
    assert len(model.asked) == job["total_chunks"] + turned_away
    assert folder.read("talk.cleaned.txt").split() == SAMPLE.read_text().upper().split()
    assert folder.json("show")["totals"]["input_tokens"] == 10 * job["total_chunks"]
    assert not any(CANARY.encode() in Path(path).read_bytes() for path in folder.path.iterdir())


@pytest.mark.slow
def test_a_busy_service_is_asked_again_with_the_same_key(folder: Folder, model: Model) -> None:
    """Turned away with 429 and 500, the calls are made again, each with its chunk's own idempotency key, as attempts."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    model.credit, model.trouble = 1000, ["429", "500", "503"]
    done = run(folder, model)
    assert done.returncode == 0, done.stderr
    assert len(model.asked) == len(model.answered) + 3
    assert set(model.answered.values()) == {1}
    assert len(model.answered) == len({key for _, key in model.asked})
    assert len(set(model.asked)) == len(model.answered)  # one key for each text, whichever try it was
    assert "None" not in {key for _, key in model.asked}


@pytest.mark.slow
def test_the_program_for_one_chunk_lets_the_run_wait_for_a_service_that_is_away(folder: Folder, model: Model) -> None:
    """Five answers of a busy and broken service fail no chunk, although each chunk has two tries."""
    folder.write("talk.txt", "um, we choose")
    model.troubles = {0: ["429", "500", "503", "malformed", "empty"]}
    folder.run("run", "talk.txt", "--retries", 1, *one_chunk(), **settings_of(model))
    assert (folder.read("talk.cleaned.txt").strip(), len(model.asked)) == ("UM, WE CHOOSE", 6)


@pytest.mark.slow
def test_the_program_for_one_chunk_ends_a_run_whose_model_is_unknown(folder: Folder, model: Model) -> None:
    """Each chunk would meet HTTP 404: none is failed, the error names the model, and the same line goes on."""
    folder.write("talk.txt", "um, we choose\n\nto go")
    model.troubles = {0: ["404"]}
    words = ("run", "talk.txt", "--chunk-size", 15, "--overlap", 0, "--retries", 3, *one_chunk())
    ended = folder.run(*words, code=1, **settings_of(model), OPENAI_MODEL="gpt-9")
    assert "gpt-9" in ended.stderr
    assert (folder.json("show")["failed_chunks"], len(model.asked)) == (0, 1)
    folder.run(*words, **settings_of(model))
    assert folder.read("talk.cleaned.txt").split() == ["UM,", "WE", "CHOOSE", "TO", "GO"]


def one_chunk() -> tuple[object, ...]:
    """Return the words behind FILE that let the program for one chunk do the work."""
    return ("--", sys.executable, EXAMPLE.with_name("clean_chunk.py"))


def settings_of(model: Model) -> dict[str, str]:
    """Return the environment of a program that asks this server."""
    return {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1"}


# -- everything at once


def query(folder: Folder, statement: str) -> list[Any]:
    """Ask the store, without the library."""
    with closing(sqlite3.connect(folder.path / ".processing_state.db")) as raw:
        return raw.execute(statement).fetchall()


def wait_for_answers(model: Model, process: subprocess.Popen[str], count: int) -> None:
    """Wait until the server has answered so often; the test's own time limit ends a wait in vain."""
    while model.answered.total() < count:
        assert process.poll() is None, (process.returncode, model.answered.total(), count)
        time.sleep(0.01)


def kill_at(folder: Folder, model: Model, count: int) -> set[str]:
    """Run the example, kill it after so many answers, and return the texts whose chunks are done."""
    process = start(folder, model, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_answers(model, process, count)
    process.kill()
    process.wait()
    return {text for (text,) in query(folder, "SELECT result ->> 'cleaned_text' FROM chunk_results")}


def weather(folder: Folder, model: Model, *, chunks: int, kills: int, troubled: float, seed: int) -> str:
    """Clean a talk of so many chunks over a bad line, killed so often; judge it and return the figures."""
    rng = random.Random(seed)
    paragraphs = [
        " ".join(f"word{rng.randrange(10**6)}" for _ in range(140)) + f" {number}." for number in range(chunks)
    ]
    folder.write("talk.txt", "\n\n".join(paragraphs))
    model.credit = 10 * chunks
    fates = ((number, rng.random()) for number in range(chunks))
    model.troubles = {
        number: rng.choices(TROUBLES, k=rng.choice((1, 1, 2))) for number, fate in fates if fate < troubled
    }
    started, asked_again, done, asked = time.monotonic(), 0, set[str](), 0
    for number in range(kills + 1):
        if number < kills:
            done_now = kill_at(folder, model, chunks * (number + 1) // (kills + 1))
        else:
            last = run(folder, model)
            assert last.returncode == 0, last.stderr
        asked_again += sum(text.upper() in done for text, _ in model.asked[asked:])
        done, asked = done_now, len(model.asked)
    seconds = time.monotonic() - started
    attempts = query(
        folder, "SELECT chunk_index, sum(outcome = 'completed'), sum(outcome = 'abandoned') FROM attempts GROUP BY 1"
    )
    results = query(folder, "SELECT chunk_index, result ->> 'cleaned_text' FROM chunk_results ORDER BY 1")
    in_doubt = sum(abandoned for _, _, abandoned in attempts)
    paid_twice = sum(count - 1 for count in model.answered.values())
    made = {name: count for name, count in sorted(model.had.items()) if name}
    figures = (
        f"chunks={chunks} kills={kills} asked={len(model.asked)} troubles={made} done_asked_again={asked_again} "
        f"completed_twice={sum(completed != 1 for _, completed, _ in attempts)} skipped={chunks - len(results)} "
        f"in_doubt={in_doubt} answered_and_lost_by_a_kill={paid_twice} seconds={seconds:.0f}"
    )
    assert results == [(index, text.upper()) for index, text in enumerate(paragraphs)], figures
    assert all(completed == 1 for _, completed, _ in attempts), figures
    assert asked_again == 0, figures
    # What was answered twice was on its way when the process died: four at most each time, and the store says so.
    assert paid_twice <= min(in_doubt, 4 * kills), figures
    assert len({key for _, key in model.asked}) == chunks
    assert folder.read("talk.cleaned.txt").split() == folder.read("talk.txt").upper().split()
    assert set(made) == set(TROUBLES), figures
    return figures


@pytest.mark.slow
def test_a_bad_line_and_a_kill_leave_every_chunk_done_once(folder: Folder, model: Model) -> None:
    """Busy, broken, cut, hung, malformed and empty answers, and a kill -9: nothing done is asked again."""
    weather(folder, model, chunks=24, kills=1, troubled=0.8, seed=1)


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_a_bad_line_and_ten_kills_leave_every_chunk_done_once(folder: Folder, model: Model) -> None:
    """The example does each of 1,500 chunks exactly once, over a bad line and ten kills."""
    model.seconds = 0.02
    print("FIGURES bad line:", weather(folder, model, chunks=1500, kills=10, troubled=0.3, seed=2))
