"""What COMMAND is given: its chunk alone on stdin, and everything else beside it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from conftest import program

from .conftest import SAMPLE, SIX, Folder

ASKING = program(__file__, "tell_context")


def told(folder: Folder) -> list[dict[str, str]]:
    """What each call of COMMAND was given, in order."""
    return [json.loads(line) for line in folder.read("told.log").splitlines()]


@pytest.mark.slow
def test_a_chunk_alone_goes_to_stdin_and_its_context_beside_it(folder: Folder) -> None:
    """No word is given to COMMAND twice as a part of its chunk; the text before it is known to it all the same."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    folder.run("run", "talk.txt", "--chunk-size", 500, "--overlap", 150, *folder.command(ASKING))
    calls = told(folder)
    text = SAMPLE.read_text()
    assert " ".join(call["stdin"] for call in calls).split() == text.split()
    assert calls[0]["CONTEXT"] == ""
    for call in calls[1:]:
        assert 0 < len(call["CONTEXT"]) <= 150
        before = text[: text.index(call["stdin"])].rstrip()
        assert before.endswith(call["CONTEXT"])


def test_a_nul_in_the_json_of_a_recognizer_stops_no_command(folder: Folder) -> None:
    """JSON can write a NUL, and no variable can hold it: a replacement character stands for it in the context."""
    segments = [{"start": number, "end": number + 1, "text": f"Word\0number {number}."} for number in range(2)]
    folder.write("talk.json", json.dumps({"segments": segments}))
    folder.run("run", "talk.json", "--chunk-size", 20, "--overlap", 15, *folder.command(ASKING))
    assert [(call["stdin"], call["CONTEXT"]) for call in told(folder)] == [
        ("Word\0number 0.", ""),
        ("Word\0number 1.", "Word\ufffdnumber 0."),
    ]


def test_a_command_is_told_where_it_is(lecture: Folder) -> None:
    """The number of its chunk, of all chunks and of its try; the file, its title and language; a key for the service."""
    lecture.write("fail", "")
    words = ("--title", "A talk", "--language", "de", "--retries", 1)
    lecture.run("run", "lecture.txt", *SIX, *words, *lecture.command(ASKING))
    calls = told(lecture)
    tries = sorted((call["CHUNK_INDEX"], call["ATTEMPT"]) for call in calls)
    assert tries == [(str(index), attempt) for index in range(6) for attempt in "12"]
    assert {(c["TOTAL_CHUNKS"], c["FILE"], c["TITLE"], c["LANGUAGE"]) for c in calls} == {
        ("6", "lecture.txt", "A talk", "de")
    }
    keys = {call["CHUNK_INDEX"]: call["ATTEMPT_KEY"] for call in calls}
    assert len(set(keys.values())) == 6
    assert all(keys[call["CHUNK_INDEX"]] == call["ATTEMPT_KEY"] for call in calls)


def test_what_is_not_known_is_empty(lecture: Folder) -> None:
    """A shell script with ``set -u`` needs no default; the person's own variables are there, too."""
    script = 'set -u; echo "$CHECKPOINT_STORE_TITLE$CHECKPOINT_STORE_CONTEXT$MINE"'
    lecture.run("run", "lecture.txt", "--", "sh", "-c", script, MINE="yes")
    assert lecture.read("lecture.cleaned.txt") == "yes\n"


@pytest.mark.slow_variants
@pytest.mark.parametrize("letter", ["x", "语", "👩"])
def test_the_longest_context_can_be_given(folder: Folder, letter: str) -> None:
    """The kernel takes a variable of 128 KiB: what --overlap allows fits into it in every script."""
    folder.write("talk.txt", f"{letter * 30} " * 2000 + "\n\nThe end.")
    folder.run("run", "talk.txt", "--chunk-size", 50_000, "--overlap", 20_000, *folder.command(ASKING))
    assert 19_000 < len(told(folder)[-1]["CONTEXT"]) <= 20_000
    assert "--overlap" in folder.run("run", "talk.txt", "--overlap", 20_001, "--", "cat", code=2).stderr


@pytest.mark.slow
def test_a_context_needs_no_locale(folder: Folder) -> None:
    """In a process whose locale is not UTF-8 every letter reaches COMMAND as it is."""
    folder.write("talk.txt", "Élan 语言 one.\n\nTwo two two two.")
    words = ("run", "talk.txt", "--chunk-size", 20, "--overlap", 20, *folder.command(ASKING))
    process = folder.process(*words, env=_latin_1(), stdin=subprocess.DEVNULL)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert told(folder)[-1]["CONTEXT"] == "Élan 语言 one."


def _latin_1() -> dict[str, str]:
    import os

    from .conftest import ROOT

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return kept | {"PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.slow
def test_another_context_is_another_question(folder: Folder) -> None:
    """Where the text before a chunk was edited, the answer for the chunk is asked for anew; without context it is kept."""
    words = ("run", "talk.txt", "--chunk-size", 20, "--on-change", "reuse")
    for overlap, asked in ((20, 2), (0, 1)):
        folder.write("talk.txt", "First one here.\n\nSecond one here.\n\nThird one here.")
        folder.run(*words, "--overlap", overlap, "--fresh", *folder.command(ASKING))
        before = len(told(folder))
        folder.write("talk.txt", "First two here.\n\nSecond one here.\n\nThird one here.")
        folder.run(*words, "--overlap", overlap, *folder.command(ASKING))
        assert len(told(folder)) - before == asked


def test_the_built_in_cleaner_asks_for_no_context(folder: Folder) -> None:
    """The built-in cleaner keeps a result while the text of its chunk stays, though the text before it changed."""
    folder.write("talk.txt", "First one here.\n\nSecond one here.\n\nThird one here.")
    folder.run("run", "talk.txt", "--chunk-size", 20, "--overlap", 20)
    folder.write("talk.txt", "First two here.\n\nSecond one here.\n\nThird one here.")
    plan = folder.json("plan", "talk.txt", "--chunk-size", 20, "--overlap", 20, "--on-change", "reuse")["plans"][0]
    assert (plan["kept"], plan["chunks_to_do"]) == (2, 1)


@pytest.mark.slow
def test_chunks_in_tokens_are_a_plan_of_their_own(folder: Folder) -> None:
    """--unit tokens cuts by the tokens of the model; without --tokenizer, or the other way round, nothing is begun."""
    shutil.copy(SAMPLE, folder.path / "talk.txt")
    tokens = ("--chunk-size", 1500, "--unit", "tokens", "--tokenizer", "gpt-4o")
    folder.run("run", "talk.txt", *tokens, *folder.command(ASKING))
    assert [call["TOTAL_CHUNKS"] for call in told(folder)] == ["2", "2"]
    config = folder.json("show")["config"]
    assert (config["chunk_size"], config["unit"], config["tokenizer"]) == (1500, "tokens", "gpt-4o")
    assert folder.read("talk.cleaned.txt") == SAMPLE.read_text()
    for words in (("--unit", "tokens"), ("--tokenizer", "gpt-4o")):
        assert "go together" in folder.run("run", "talk.txt", *words, "--", "cat", code=2).stderr
    done = folder.run("run", "talk.txt", *tokens[:-1], "no-such-model", "--", "cat", code=2)
    assert "no-such-model" in done.stderr
    assert "tokenizer.json" in done.stderr
