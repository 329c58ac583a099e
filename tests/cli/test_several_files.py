"""A run of several files: which is in work, what is over, one summary, and a pause that ends all of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from tests.cli.conftest import ROOT
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Folder

PRICED = ("--", "sh", "-c", """grep -q bad && exit 3; echo '{"cleaned_text": "x", "cost": 0.5}'""")
# The answer comes once the file "go" is there.
WAITING = ("--", "sh", "-c", "cat; echo call >> calls; while [ ! -e go ]; do sleep 0.02; done")
SMALL = ("--chunk-size", "10", "--overlap", "0")
TALKS = {"a.txt": "One.", "b.txt": "One b.\n\nTwo b.", "c.txt": "Three.", "d.txt": "One d.\n\nTwo d.\n\nThree d."}


@pytest.fixture
def talks(folder: Folder) -> Folder:
    """A folder with four talks, of one, two, one and three chunks."""
    for name, text in TALKS.items():
        folder.write(name, text)
    return folder


ALL = ("run", "a.txt", "b.txt", "c.txt", "d.txt", *SMALL)


def lines_with(text: str, *words: str) -> list[str]:
    """The lines that have all of these words."""
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_a_run_says_where_it_is_and_the_end_adds_up(talks: Folder) -> None:
    """A file that was complete is one line; each has its place, with what is over and cost; at the end stands the sum."""
    talks.run("run", "a.txt", "b.txt", "c.txt", *SMALL, *PRICED)
    (talks.path / "c.cleaned.txt").unlink()
    said = talks.run(*ALL, *PRICED).stderr
    assert lines_with(said, "a.txt") == ["✓ 1 of 4  a.txt  complete before, 1 chunk, cost 0.5"]
    assert lines_with(said, "c.txt", "3 of 4") == [
        "✓ 3 of 4  c.txt  complete before, 1 chunk, cost 0.5, written to c.cleaned.txt"
    ]
    assert lines_with(said, "4 of 4  d.txt: 3 chunks (so far 3 complete, 4 chunks, cost 2)")
    assert lines_with(said, "✓ 4 of 4  d.txt  3 chunks done in")
    assert lines_with(said, "4 files  4 complete, in")
    assert lines_with(said, "chunks 7 of 7 done (3 now, 4 before), 0 left")
    assert lines_with(said, "cost   3.5 (1.5 now)")
    assert len(lines_with(said, ".processing_state.db")) == 1


@pytest.mark.slow
def test_all_files_that_cannot_be_run_are_named_at_once(talks: Folder) -> None:
    """A run of six files, three of them unusable, is refused with each of the three and its reason, and begins none."""
    talks.write("empty.txt", "")
    talks.write("nul.txt", "a\0b")
    said = talks.run("run", "missing.txt", "a.txt", "empty.txt", "b.txt", "nul.txt", "c.txt", code=2).stderr
    assert said.splitlines() == [
        "checkpoint-store: 3 of 6 FILEs cannot be run, and none was begun:",
        "  missing.txt: no such file",
        "  empty.txt is empty",
        "  nul.txt is not a text file (it has a NUL at character 1)",
    ]
    assert sorted(path.name for path in talks.path.iterdir()) == sorted([*TALKS, "empty.txt", "nul.txt"])


@pytest.mark.slow
def test_the_document_has_the_facts_of_the_screen(talks: Folder) -> None:
    """A script that reads --json knows what a person reads: outcomes, chunks, cost, and the line that goes on."""
    talks.write("c.txt", "bad")
    report = talks.json(*ALL, *PRICED, code=1)
    said = talks.run(*ALL, *PRICED, code=1).stderr
    assert [job["outcome"] for job in report["jobs"]] == ["complete", "complete", "failed", "complete"]
    assert [(job["file_number"], job["file_count"]) for job in report["jobs"]] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    summary = report["summary"]
    outcomes = {name: count for name, count in summary.items() if count and name in ("complete", "failed", "not_begun")}
    assert outcomes == {"complete": 3, "failed": 1}
    assert [summary[name] for name in ("files", "total_chunks", "completed_chunks", "remaining_chunks")] == [4, 7, 6, 1]
    assert summary["cost"] == summary["cost_now"] == 3
    assert lines_with(said, "4 files  3 complete, 1 failed, in")
    assert "  ✗ c.txt  failed" in said.splitlines()
    assert lines_with(said, "go on with:", summary["go_on_with"])


@contextmanager
def pausing(talks: Folder, name: str) -> Iterator[None]:
    """Somebody pauses the job of a file in another terminal while its first chunk is in work, which ends then."""

    def pause() -> None:
        wait_until((talks.path / "calls").exists)
        with CheckpointStore(talks.path / ".processing_state.db") as store:
            store.job(name).pause()
        talks.write("go", "")

    other = threading.Thread(target=pause)
    other.start()
    yield
    other.join()
    assert talks.read("calls") == "call\n"


@pytest.mark.slow
def test_a_pause_ends_the_whole_run(talks: Folder) -> None:
    """A pause of the job in hand begins no further file; the summary names those, and the line that goes on."""
    late = ("--", "sh", "-c", f"{WAITING[-1]}; sleep 0.5")  # a loop looks for a pause four times a second
    with pausing(talks, "d.txt"):
        said = talks.run("run", "d.txt", "b.txt", "c.txt", *SMALL, *late, code=75).stderr
    assert lines_with(said, "‖ 1 of 3  d.txt  paused after", "as somebody asked")
    assert lines_with(said, "3 files  1 paused, 2 not begun")
    assert {"  ‖ b.txt  not begun", "  ‖ c.txt  not begun"} <= set(said.splitlines())
    assert lines_with(said, "go on with:", "run d.txt b.txt c.txt")
    talks.run("run", "d.txt", "b.txt", "c.txt", *SMALL, *late)  # the pause that is over ends no later run


def test_a_pause_in_the_last_chunk_of_a_file_ends_the_run_too(talks: Folder) -> None:
    """A file of one chunk is complete when that is done: the pause is not lost, and the next file is not begun."""
    with pausing(talks, "a.txt"):
        done = talks.run("run", "a.txt", "b.txt", "c.txt", "--json", *SMALL, *WAITING, code=75)
    report = json.loads(done.stdout)
    assert [job["outcome"] for job in report["jobs"]] == ["complete", "not begun", "not begun"]
    assert [job["total_chunks"] for job in report["jobs"]] == [1, 2, 1]
    assert report["summary"]["not_begun"] == 2
    assert lines_with(done.stderr, "3 files  1 complete, 2 not begun, in", "; paused, as somebody asked")


def test_a_log_with_colours_has_no_live_line(talks: Folder) -> None:
    """CI often sets FORCE_COLOR: the log has colours then, and nothing that moves a cursor."""
    said = talks.run("run", "b.txt", *SMALL, *PRICED, FORCE_COLOR="1").stderr
    assert "\x1b[1;32m✓" in said
    assert "1 of 1" not in said  # one file has no place, and no summary
    assert "files" not in said
    assert not re.search(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]|\r", said)


@pytest.mark.slow
def test_a_terminal_shows_which_file_is_in_work(talks: Folder) -> None:
    """On a terminal of 60 columns the live line has the place, the counts and a bar, and is gone at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    slow = ("--", "sh", "-c", f"sleep 0.4; {PRICED[-1]}")
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    words = [sys.executable, "-m", "checkpoint_store", "run", "a.txt", "d.txt", *SMALL, *slow]
    run = subprocess.Popen(
        words, cwd=talks.path, env=kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}, stdin=theirs, stdout=theirs,
        stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # Linux says so that the other end is closed
        while more := os.read(ours, 65536):
            seen += more
    os.close(ours)
    assert run.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    live = [line for line in re.split(r"[\r\n]+", plain) if "/3 " in line]
    assert any("2 of 2 d.txt" in line and "━" in line and "1/3 33%" in line and "left" in line for line in live)
    assert max(map(len, live)) <= 57
    assert "✓ 2 of 2  d.txt  3 chunks done in" in plain
