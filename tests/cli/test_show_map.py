"""What ``show`` draws: each chunk by its state, long settings cut, sizes that people read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from each_case import each_case
from rich.console import Console

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.inspect import chunk_rows

if TYPE_CHECKING:
    from checkpoint_store import Job
    from tests.cli.conftest import Folder


def console(width: int = 80, encoding: str = "utf-8") -> Console:
    """A console that writes into memory."""
    return Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding), width=width, force_terminal=False)


def use_up_the_tries(job: Job, index: int) -> None:
    """Have a chunk failed for good."""
    for _ in range(3):
        job.fail_chunk(index, "no")


def test_each_state_has_a_sign_and_a_line_tells_them(folder: Folder) -> None:
    """The map of ``show`` has a sign of its own for completed, failed, running and left chunks, and a legend."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("a.txt", chunks=list("abcde"))
        job.complete(0, "A")
        use_up_the_tries(job, 1)
        in_hand = next(iter(job.pending()))
        text = folder.run("show").stdout
    assert in_hand.index == 2
    assert "  █✗▸··\n" in text
    assert text.endswith("  █ completed  ✗ failed  ▸ running  · left\n")


def test_the_states_are_in_the_document(folder: Folder) -> None:
    """A program gets the same map as half-open ranges."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("a.txt", chunks=list("abcd"))
        for index in (1, 2):
            use_up_the_tries(job, index)
        data = folder.json("show")
    assert (data["failed_ranges"], data["in_doubt_ranges"], data["running_ranges"]) == ([[1, 3]], [], [])


def test_one_failed_chunk_in_a_million_is_seen() -> None:
    """A cell that holds a failed chunk shows that, and not how many are completed; the worst state wins."""
    others = {"failed": [(700_000, 700_001)], "in doubt": [(10, 11), (700_001, 700_002)], "running": []}
    picture = chunk_rows.chunk_map(console(), [(0, 1_000_000)], 1_000_000, others).plain
    assert (picture.count("✗"), picture.count("?")) == (1, 1)


@each_case("width", [20, 50, 80])
def test_the_legend_fits_the_screen(width: int) -> None:
    """The legend of the map breaks between two entries, and never within an entry."""
    lines = chunk_rows.legend(console(width), ["failed", "in doubt", "running"]).plain.splitlines()
    assert all(len(line) <= width for line in lines)
    assert "  ".join(line.strip() for line in lines) == "█ completed  ✗ failed  ? in doubt  ▸ running  · left"


def test_a_legend_without_unicode_is_ascii() -> None:
    """A console that cannot show the signs gets others."""
    text = chunk_rows.legend(console(encoding="ascii"), ["failed", "in doubt", "running"]).plain
    assert text == "  # completed  ! failed  ? in doubt  > running  . left"


def test_a_long_setting_is_cut_and_says_where_the_whole_is(folder: Folder) -> None:
    """A prompt of many lines does not push the map off the screen."""
    prompt = "Clean the text.\n" * 40
    config = {"prompt": prompt, "temperature": 0}
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job_id = store.open_job("a.txt", chunks=list("ab"), config=config).job_id
    text = folder.run("show").stdout
    (line,) = (line for line in text.splitlines() if line.startswith("  config"))
    assert "temperature 0" in line
    assert line.endswith(f"…  (whole: show {job_id[:8]} --json)") or "…, temperature 0" in line
    assert len(line) < 200
    assert folder.json("show")["config"]["prompt"] == prompt
