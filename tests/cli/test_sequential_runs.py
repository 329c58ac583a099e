"""``run --sequential``: COMMAND has the answer before; and what the commands show of handles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

# Answers with its chunk's number, and what it was told of the answer before; fails as long as a file says so.
TELLING = program(__file__, "tell_previous")


def told(folder: Folder) -> list[list[object]]:
    """The number of each chunk, and the text of the answer before it, in the order of the calls."""
    return [json.loads(line) for line in folder.read("told.log").splitlines()]


def test_command_has_the_answer_before(lecture: Folder) -> None:
    """With ``--sequential``, COMMAND gets the answer before its chunk, whole, and the chunks are done in order."""
    lecture.run("run", "lecture.txt", *SIX, "--sequential", "--workers", 4, *lecture.command(TELLING))
    assert told(lecture) == [[index, f"text {index - 1}" if index else ""] for index in range(6)]
    results = lecture.json("results", "lecture.txt", "--field", "summary")
    assert [one["summary"] for one in results] == ["0", "01", "012", "0123", "01234", "012345"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("retries", [(), ("--retries", 1)])
def test_a_chunk_that_fails_ends_the_run(lecture: Folder, retries: tuple[object, ...]) -> None:
    """The chunks behind it are not tried. What to type is said, and the run goes on from there."""
    lecture.write("fail-2", "")
    words = ("run", "lecture.txt", *SIX, "--sequential", *retries)
    done = lecture.run(*words, *lecture.command(TELLING), code=1)
    assert "chunk 2" in done.stderr
    assert [index for index, _ in told(lecture)] == [0, 1]
    (lecture.path / "fail-2").unlink()
    if retries:
        assert "checkpoint-store retry" in done.stderr
        lecture.run(*words, *lecture.command(TELLING), code=1)  # it is passed over until it is freed
        lecture.run("retry", "lecture.txt")
    lecture.run(*words, *lecture.command(TELLING))
    assert [index for index, _ in told(lecture)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_an_edit_does_everything_behind_it_again(lecture: Folder) -> None:
    """``--on-change reuse`` keeps exactly the unchanged beginning."""
    words = ("run", "lecture.txt", *SIX, "--sequential", "--on-change", "reuse")
    lecture.run(*words, *lecture.command(TELLING))
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 3", "Paragraph three"))
    lecture.run(*words, *lecture.command(TELLING))
    assert [index for index, _ in told(lecture)] == [0, 1, 2, 3, 4, 5, 3, 4, 5]


@pytest.mark.slow
def test_it_is_part_of_the_plan_and_for_a_command(lecture: Folder) -> None:
    """A run that was not sequential before says so; the built-in cleaner has no use for it."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command("print('x')"))
    done = lecture.run("run", "lecture.txt", *SIX, "--sequential", *lecture.command("print('x')"), code=2)
    assert "sequential: False -> True" in done.stderr
    assert "--sequential is for a COMMAND" in lecture.run("run", "lecture.txt", "--sequential", code=2).stderr


@pytest.mark.slow
def test_a_result_too_long_for_a_variable_fails_the_next_chunk(lecture: Folder) -> None:
    """Nothing is cut in silence; the text of a long answer is its end."""
    long = "import json, sys; sys.stdin.read(); print(json.dumps({'cleaned_text': 'x', 'summary': 'y' * 200_000}))"
    done = lecture.run("run", "lecture.txt", *SIX, "--sequential", *lecture.command(long), code=1)
    assert "the result of chunk 0 has 200," in done.stderr
    lines = "import os, sys; sys.stdin.read(); p = os.environ['CHECKPOINT_STORE_PREVIOUS']; print(len(p), 'z' * 30_000)"
    lecture.run("run", "lecture.txt", *SIX, "--sequential", "--fresh", *lecture.command(lines), code=0)
    texts = [one["cleaned_text"] for one in lecture.json("results", "lecture.txt", "--field", "cleaned_text")]
    assert [text.split()[0] for text in texts] == ["0", *["20000"] * 5]


@pytest.mark.slow
def test_a_plan_says_what_a_service_holds(lecture: Folder) -> None:
    """Before anything is done: which chunks have a handle."""
    lecture.write("fail-2", "")
    words = (*SIX, "--sequential", *lecture.command(TELLING))
    lecture.run("run", "lecture.txt", *words, code=1)
    with CheckpointStore(lecture.path / ".processing_state.db") as store:
        store.job("lecture.txt").record_handle(2, "batch-1")
    shown = lecture.run("plan", "lecture.txt", *words).stdout
    assert "held   1: chunk 2  (with a handle: a service holds their work, and can be asked for it)" in shown


LEAVES = program(__file__, "leave_with_handle")


@pytest.mark.slow
def test_the_commands_tell_in_doubt_with_a_handle_apart(folder: Folder) -> None:
    """``show``, ``list --json``, ``chunks``, ``errors`` and the plan of the rest."""
    import subprocess
    import sys

    from .conftest import ROOT

    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("talk.txt", total_chunks=3)
    subprocess.run([sys.executable, str(LEAVES)], cwd=folder.path, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert (
        "2 chunks  (begun and never ended, possibly billed, 1 with a handle; see errors)" in folder.run("show").stdout
    )
    (job,) = folder.json("list")["jobs"]
    assert (job["in_doubt_chunks"], job["in_doubt_with_handle"]) == (2, 1)
    rows = folder.json("chunks", "talk.txt")["chunks"]
    assert [row["handle"] for row in rows] == ["batch\x1b[31m-0", None, None]
    for command in ("chunks", "errors"):
        shown = folder.run(command, "talk.txt").stdout
        assert "handle batch" in shown
        assert "\x1b" not in shown
