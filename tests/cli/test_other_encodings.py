"""A standard output that is not UTF-8 (a pipe on Windows, a container without a locale), and a clock of any zone."""

from __future__ import annotations

import io
import json
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.cli import screen
from checkpoint_store.cli.app import run_command_line

from .conftest import Done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder

NAME = "größe ☃ 😀.txt"
NARROW = pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])


@pytest.fixture
def named(folder: Folder) -> Folder:
    """A job whose file name and first result have characters of every kind; its second chunk failed."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job(NAME, total_chunks=2)
        job.complete(0, {"cleaned_text": NAME})
        job.fail_chunk(1, f"no answer for {NAME}")
        job.pause()
    return folder


def said(folder: Folder, encoding: str, *words: str) -> Done:
    """Run the command with both streams in an encoding."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors) for errors in ("strict", "backslashreplace"))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder.path)
        patch.delenv("CHECKPOINT_STORE", raising=False)
        code = run_command_line(["checkpoint-store", *words])
    for stream in (out, err):
        stream.flush()
    shown, noted = (stream.detach().getvalue().decode(encoding) for stream in (out, err))
    return Done(shown, noted, code)


@pytest.mark.slow_variants
@NARROW
@pytest.mark.parametrize("command", ["list", "show", "results", "chunks", "errors"])
def test_json_is_a_whole_document_in_every_encoding(named: Folder, encoding: str, command: str) -> None:
    """What the encoding lacks is an escape of JSON: the document means the same as in UTF-8."""
    here, there = said(named, encoding, command, "--json"), said(named, "utf-8", command, "--json")
    assert (here.code, there.code) == (0, 0)
    assert NAME in json.dumps(json.loads(here.stdout), ensure_ascii=False)
    assert NAME in there.stdout  # people read it


@pytest.mark.slow_variants
@NARROW
@pytest.mark.parametrize("command", ["list", "show", "errors"])
def test_what_people_read_has_escapes(named: Folder, encoding: str, command: str) -> None:
    """No table ends in a traceback because of one character."""
    done = said(named, encoding, command)
    assert (done.code, done.stderr) == (0, "")
    assert r"\u2603 \U0001f600.txt" in done.stdout


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("results",), ("list", "--csv"), ("results", "--field", "cleaned_text")], ids=str)
def test_data_is_as_it_is_or_refused(named: Folder, words: tuple[str, ...]) -> None:
    """Data with escapes in it would be other data: exit 2, and the message says what helps."""
    done = said(named, "latin-1", *words)
    assert done.code == 2
    assert r"standard output is written in latin-1, which has no '\u2603'; set PYTHONIOENCODING=utf-8" in done.stderr


@pytest.fixture(params=["XYZ-26", "UTC+99", "Foo/Bar", ":/absent", ""])
def odd_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A TZ that the C library takes; datetime refuses the first two."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.slow_variants
def test_times_are_shown_in_any_zone(named: Folder, odd_zone: str) -> None:
    """However far from UTC the zone is, show, list and the lines of progress say the time."""
    for words in (("show",), ("show", "--follow"), ("list",), ("errors",)):
        assert said(named, "utf-8", *words).code == 0, odd_zone
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert screen.local_time(noon) == time.strftime("%Y-%m-%d %H:%M", time.localtime(noon.timestamp()))
    assert screen.clock_time() in (time.strftime("%H:%M:%S", time.localtime(time.time() - late)) for late in range(60))
