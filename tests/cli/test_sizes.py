"""Numbers of bytes, as the commands print them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from each_case import each_case

from checkpoint_store.errors import StorageFullError, size_text
from tests.cli.conftest import SIX

if TYPE_CHECKING:
    from tests.cli.conftest import Folder


@each_case(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (43_210, "43.2 kB"),
        (1_000_000, "1.0 MB"),
        (2_500_000_000, "2.5 GB"),
        (5_000_000_000_000_000, "5,000.0 TB"),
    ],
)
def test_a_size_has_the_largest_unit_that_it_fills(size_bytes: int, words: str) -> None:
    """Two or three digits and a unit are read in a moment; nobody counts the commas of 2,500,000,000."""
    assert size_text(size_bytes) == words


def test_every_command_prints_units(lecture: Folder) -> None:
    """A backup, the doctor and prune say kB; the document has the exact number."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    size = lecture.json("backup", "exact.db")["size_bytes"]
    assert lecture.run("backup", "copy.db").stderr.endswith(f"copy.db: {size_text(size)}, verified\n")
    found = lecture.run("doctor").stdout
    assert re.search(r"room +[\d.]+ kB: store [\d.]+ kB, ", found)
    assert re.search(r"free space +[\d.,]+ [kMGT]B; the store has [\d.]+ kB", found)
    assert re.search(r": [\d.,]+ (bytes|kB); nothing is deleted without", lecture.run("prune").stderr)


def test_a_full_disk_says_the_room_in_units() -> None:
    """The number that decides what to delete is read without counting digits."""
    assert "free there: 4.1 kB)" in str(StorageFullError("s.db", "No space left on device", 4096))
