"""A user's script is killed at its calls: with this package it resumes, and a mistake in the script is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, program

import checkpoint_store
from checkpoint_store import CheckpointStore, InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.testing.killing import KillAndResume

SCRIPT = program(__file__, "styles")
slow = pytest.mark.slow


def answer(text: str) -> dict[str, Any]:
    """Stand for the service that costs money."""
    return {"text": text.capitalize()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "paid", "calls_at_once"),
    [
        ("pending", "ask", 1),
        pytest.param("map", "ask", 4, marks=slow),
        pytest.param("amap", "ask_later", 3, marks=slow),
        pytest.param("state manager", "ask", 1, marks=slow),
    ],
)
def test_each_style_of_loop_resumes(kill_and_resume: KillAndResume, style: str, paid: str, calls_at_once: int) -> None:
    """Killed at every call, a processor asks again for what was lost, for nothing else, and writes the same output."""
    seen = kill_and_resume(SCRIPT, style, paid=paid, answer=answer, calls_at_once=calls_at_once, outputs=["talk.out"])
    assert seen.calls == 5
    assert seen.kills == 4 if calls_at_once == 1 else 1 <= seen.kills <= 4  # a text stands twice, and is killed once
    assert 5 + 4 <= seen.asked <= 5 + seen.kills * calls_at_once
    assert (seen.folder / "talk.out").read_text().startswith("{'text': 'We choose'} {'text': 'To go'}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("asks for all", "text='we choose' was asked for again after it was done"),
        pytest.param("another model each time", "was asked for again after it was done", marks=slow),
        pytest.param("passes over", "talk.out is not what the undisturbed run wrote", marks=slow),
    ],
)
def test_a_mistake_of_the_script_is_named(kill_and_resume: KillAndResume, style: str, said: str) -> None:
    """Whoever asks for done chunks again, changes the plan in each run, or leaves a chunk out, is told which call."""
    with pytest.raises(AssertionError, match=said):
        kill_and_resume(SCRIPT, style, paid="ask", answer=answer, outputs=["talk.out"])


def test_a_kill_may_cost_each_call_for_its_chunk(kill_and_resume: KillAndResume, tmp_path: Path) -> None:
    """A script records its chunk after three calls. Killed at each of them, it is not blamed for those that it repeats."""
    (tmp_path / "clean.py").write_text(
        "from pathlib import Path\ndef ask(number):\n    return str(number)\n"
        "Path('talk.out').write_text(' '.join(ask(number) for number in range(3)))\n",
        encoding="utf-8",
    )
    seen = kill_and_resume(tmp_path / "clean.py", paid="ask", calls_at_once=3, outputs=["talk.out"])
    assert (seen.calls, seen.kills, seen.asked) == (3, 3, 1 + 2 + 3 + 3)


@pytest.mark.slow
def test_killed_at_calls_of_chance(kill_and_resume: KillAndResume) -> None:
    """A long job is killed a few times, at calls that the seed tells."""
    seen = kill_and_resume(SCRIPT, "pending", paid="ask", answer={"text": "x"}, kills=2, seed=7)
    assert (seen.calls, seen.kills, seen.asked) == (5, 2, 7)


@slow
def test_the_example_of_the_repository_resumes(kill_and_resume: KillAndResume) -> None:
    """The LLM processor in examples/ does, with four calls at a time, and its client is no part of a call."""
    pytest.importorskip("openai")
    seen = kill_and_resume(
        ROOT / "examples" / "clean_with_llm.py",
        "rice-university-1962.txt",
        paid="clean",
        answer={"cleaned_text": "x", "input_tokens": 1, "output_tokens": 1},
        files=[ROOT / "examples" / "rice-university-1962.txt"],
        outputs=["rice-university-1962.cleaned.txt"],
        ignoring=["client"],
        calls_at_once=4,
        kills=1,
        environment={"OPENAI_API_KEY": "x"},
    )
    assert seen.kills == 1
    with CheckpointStore(seen.folder / ".processing_state.db", read_only=True) as store:
        assert store.job("rice-university-1962.txt").status == "completed"


@slow
def test_a_function_of_a_module_is_watched(kill_and_resume: KillAndResume, tmp_path: Path) -> None:
    """A client that the script imports is watched by module and name; an argument that is no part of it is left out."""
    (tmp_path / "client.py").write_text(
        "class Client:\n    def ask(self, text, key):\n        return text.upper()\n", encoding="utf-8"
    )
    (tmp_path / "clean.py").write_text(
        "import time\nfrom client import Client\nfrom checkpoint_store import CheckpointStore\n"
        "with CheckpointStore('talk.db') as store:\n"
        "    print(store.map(lambda text: Client().ask(text, key=time.time_ns()), ['a', 'b'], file_name='t'))\n",
        encoding="utf-8",
    )
    seen = kill_and_resume(tmp_path / "clean.py", paid="client:Client.ask", ignoring=["key"])
    assert (seen.calls, seen.kills, seen.asked) == (2, 2, 4)
    assert not (tmp_path / "talk.db").exists()


@slow
def test_a_script_that_fails_is_shown(kill_and_resume: KillAndResume, tmp_path: Path) -> None:
    """An error of the script's own, a script that hangs, and one that never calls the function are told apart."""
    script = tmp_path / "clean.py"
    script.write_text("def ask():\n    return 1\nraise ValueError('no input')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"(?s)ended with 1 \(undisturbed\).*ValueError: no input"):
        kill_and_resume(script, paid="ask")
    script.write_text("import signal\ndef ask():\n    return 1\nsignal.pause()\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"clean\.py ran longer than 2\.0 s"):
        kill_and_resume(script, paid="ask", timeout_seconds=2.0)
    script.write_text("def ask():\n    return 1\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="ask was not called once"):
        kill_and_resume(script, paid="ask")


def test_wrong_arguments_are_named_before_anything_runs(kill_and_resume: KillAndResume) -> None:
    """A script, a function or an answer that cannot be what it is; the remedy stands in the message."""
    with pytest.raises(InvalidArgumentError, match=r"'gone\.py' is no file in"):
        kill_and_resume("gone.py", paid="ask")
    with pytest.raises(InvalidArgumentError, match=r"no function that styles.py defines; name one .* 'module:sleep'"):
        kill_and_resume(SCRIPT, paid="sleep")
    with pytest.raises(InvalidArgumentError, match="no function at the top of a module"):
        kill_and_resume(SCRIPT, paid="ask", answer=lambda text: text)
    with pytest.raises(InvalidArgumentError, match="neither JSON data nor a function"):
        kill_and_resume(SCRIPT, paid="ask", answer={"a": object()})


def test_pytest_need_not_be_first() -> None:
    """Where a program imports the package before it starts pytest, pytest does not warn that it came too late."""
    assert "PYTEST_DONT_REWRITE" in str(checkpoint_store.__doc__)
