"""The two processors of the examples, and what the page about them says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT

from benchmarks.processors import NAMES, lines_of, measure, run
from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "two-processors.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_says_is_so(name: str) -> None:
    """Real kills of the two processors lose no result, and each kill repeats the call in hand alone."""
    found: dict[str, Any] = measure(name, kills=3, chunks=12, written_chunks=20)
    is_native = name == "processor_native"
    assert (found["calls_again"], found["results_lost"]) == (3, 0)
    assert found["in_doubt_named"] == (1 if is_native else 0)
    assert (found["calls_after_edit"], found["edit_in_output"]) == ((1, True) if is_native else (0, False))
    assert found["calls_after_append"] == (1 if is_native else 13)
    assert found["written_bytes"] > found["results_bytes"]


def test_the_page_counts_the_lines_as_they_are() -> None:
    """Whoever changes an example sees that the page has to change."""
    row = re.search(r"^\| lines of code \| (\d+) \| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert [int(number) for number in row.groups()] == [lines_of(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_example_as_it_is(name: str) -> None:
    """A reader who copies the page has the program."""
    code = (ROOT / "examples" / f"{name}.py").read_text("utf-8")
    body = code[code.index("\ndef process") : code.index("\nif __name__")].strip()
    assert f"```text\n{body}\n```" in PAGE.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_makes_no_call(name: str, tmp_path: Path) -> None:
    """A finished transcript is not paid for again, and its output is written again."""
    (tmp_path / "talk.txt").write_text("one\n\ntwo\n\nthree", "utf-8")
    assert run(name, tmp_path).calls == 3
    (tmp_path / "talk.cleaned.txt").unlink()
    assert run(name, tmp_path).calls == 0
    assert (tmp_path / "talk.cleaned.txt").read_text("utf-8") == "One\n\nTwo\n\nThree"
    with CheckpointStore(tmp_path / ".processing_state.db", read_only=True) as store:
        assert [job.status for job in store.jobs()] == ["completed"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_chunk_that_is_to_be_done_again_is(name: str, tmp_path: Path) -> None:
    """After a redo of a paragraph, the next run asks for that paragraph, and for no other."""
    (tmp_path / "talk.txt").write_text("one\n\ntwo", "utf-8")
    with CheckpointStore(tmp_path / ".processing_state.db") as store:
        assert run(name, tmp_path).calls == 2
        store.job("talk.txt").redo(1)
    assert run(name, tmp_path).calls == 1
    with CheckpointStore(tmp_path / ".processing_state.db", read_only=True) as store:
        assert store.job("talk.txt").to_redo() == []
