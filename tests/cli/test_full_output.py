"""A standard output that has no room: the message names it, and not the store."""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.cli.app import run_command_line

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder


def errors_of(*words: str) -> str:
    """Run a command whose standard output is full, expect exit code 2, and return what it said on stderr."""
    err = StringIO()
    with (
        pytest.raises(OSError, match="No space"),  # at the close
        Path("/dev/full").open("w", encoding="utf-8") as out,
        redirect_stderr(err),
        redirect_stdout(out),
    ):
        assert run_command_line(["checkpoint-store", *words]) == 2
    return err.getvalue()


@pytest.mark.slow_variants
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", ["list", "show", "results", "chunks"])
def test_a_full_standard_output_is_named(
    lecture: Folder, command: str, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, and no word that lets the user think that the store is full."""
    lecture.run("run", "lecture.txt", *SIX)
    monkeypatch.chdir(lecture.path)
    errors = errors_of(command, *more)
    assert "standard output cannot be written: No space left on device" in errors


def test_the_text_of_a_run_that_has_no_room_is_safe(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names standard output, and says that no chunk is paid for again."""
    monkeypatch.chdir(lecture.path)
    errors = errors_of("run", "lecture.txt", *SIX, "--output", "-")
    assert "standard output could not be written: No space left on device. Every result is safe" in errors
    assert "6 of 6 chunks done and safe" in errors


def test_a_run_whose_reader_has_left_ends_as_every_program_does(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``run … --output - | head -1``: 141, no error of Python's, and all results are there for the next run."""
    monkeypatch.chdir(lecture.path)
    reader, writer = os.pipe()
    os.close(reader)
    err = StringIO()
    with os.fdopen(writer, "w", encoding="utf-8") as out, redirect_stderr(err), redirect_stdout(out):
        assert run_command_line(["checkpoint-store", "run", "lecture.txt", *SIX, "--output", "-"]) == 141
    assert err.getvalue() == "lecture.txt: 6 chunks\n"
    assert lecture.json("show")["status"] == "completed"
