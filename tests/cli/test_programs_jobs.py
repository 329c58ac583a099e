"""``show`` of a job that a program runs, and not the command."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checkpoint_store import BudgetReached, CheckpointStore
from checkpoint_store.cli.inspect import tables
from checkpoint_store.cli.screen import Screen

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder


def test_the_reason_of_a_pause_names_the_programs_argument(folder: Folder) -> None:
    """Who wrote ``max_cost=2`` is not told of an option that the program does not have."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("talk.txt", chunks=["a", "b", "c"])
        with pytest.raises(BudgetReached):
            list(job.map(lambda _: {"cost": 1}, max_cost=2))
    said = " ".join(folder.run("show").stdout.split())
    assert "with a higher max_cost" in said
    assert "--max-cost" not in said


@pytest.mark.slow
def test_no_screen_shows_how_the_command_remembers_its_line(lecture: Folder) -> None:
    """No screen shows the command line that ``run`` keeps in the metadata; ``show --json`` has all of the metadata."""
    lecture.run("run", "lecture.txt", *SIX)
    data = lecture.json("show")
    assert "command_line" in data["metadata"]
    out = io.StringIO()
    Console(file=out).print(tables.job_page(Screen(), data | {"totals": {}}))
    for said in (out.getvalue(), lecture.run("show").stdout):
        assert "command_line" not in said


@pytest.mark.slow_variants
@pytest.mark.parametrize("size", ["big", 0, 10**20])
def test_a_program_may_cut_files_in_ways_of_its_own(folder: Folder, size: object) -> None:
    """The run is refused in words, and does not try to cut the file so."""
    folder.write("talk.txt", "One.")
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        config = {"cleaner": ["cat"], "chunk_size": size, "overlap": 0}
        store.open_job("talk.txt", chunks=["Another."], config=config).complete(0, "A")
    said = folder.run("run", "talk.txt", "--", "cat", code=2).stderr
    assert "the text, or where the text is cut" in said
