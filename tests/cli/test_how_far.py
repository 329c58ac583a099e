"""A long check says how far it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checkpoint_store import CheckpointStore, doctor
from checkpoint_store.cli import main
from checkpoint_store.cli.maintain import health
from checkpoint_store.cli.maintain.health import saying_how_far
from checkpoint_store.cli.screen import Screen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three jobs."""
    made = tmp_path / "talks.db"
    with CheckpointStore(made, state_file=None, durability="process") as store:
        for number in range(3):
            store.open_job(f"talk-{number}.srt", total_chunks=1).complete(0, "done")
    return made


def _said(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, seconds: int, console: Console | None = None) -> str:
    """What a check of a job each second prints."""
    clock = [0.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: clock[0])
    text = io.StringIO()
    console = console or Console(force_terminal=is_terminal)
    console.file = text
    with saying_how_far(console) as say:
        for number in range(seconds + 1):
            clock[0] = float(number)
            say(number, 100_000)
    return text.getvalue()


def test_a_line_is_printed_each_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr is a file, it does not fill it."""
    said = _said(monkeypatch, is_terminal=False, seconds=25)
    assert said == "checked 10 of 100,000 jobs\nchecked 20 of 100,000 jobs\n"


def test_colours_in_a_log_move_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI often sets FORCE_COLOR: the log has a line each ten seconds, as without colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = _said(monkeypatch, is_terminal=False, seconds=25, console=Screen().err)
    assert said == "checked 10 of 100,000 jobs\nchecked 20 of 100,000 jobs\n"


def test_a_line_is_written_again_on_a_terminal_and_removed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed afterwards begins on an empty line."""
    shown = _said(monkeypatch, is_terminal=True, seconds=3).split("\r\x1b[K")
    assert shown == ["", *(f"checked {number} of 100,000 jobs" for number in (1, 2, 3)), ""]


def test_what_is_soon_over_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is soon over prints no progress, neither on a terminal nor elsewhere."""
    for is_terminal in (True, False):
        assert not _said(monkeypatch, is_terminal=is_terminal, seconds=0)


def test_every_job_that_was_checked_is_told_of(path: Path) -> None:
    """``store.check`` and ``doctor`` call ``on_progress`` for every job that was checked."""
    told: list[tuple[int, int]] = []
    with CheckpointStore(path, read_only=True) as store:
        assert store.check(on_progress=lambda *numbers: told.append(numbers)) == []
    assert told == [(number, 3) for number in range(4)]
    told.clear()
    doctor(path, on_progress=lambda *numbers: told.append(numbers))
    assert told == [(number, 3) for number in range(4)]


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_the_commands_say_it_on_stderr(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A long command says on stderr how far it is, so a program that reads its stdout reads the result alone."""
    monkeypatch.setattr(health, "_LINE_SECONDS", 0.0)
    monkeypatch.setattr("sys.argv", ["checkpoint-store", command, "--store", str(path), "--json"])
    assert main() == 0
    printed = capsys.readouterr()
    assert "checked 3 of 3 jobs\n" in printed.err
    assert "jobs\n" not in printed.out
