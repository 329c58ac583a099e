"""An error of the store in the middle of several files: what was done before it is told all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Folder

# At the second talk somebody puts a trigger into the store that swallows what is recorded.
SPOILING = """
import json, sqlite3, sys
if "spoil" in sys.stdin.read():
    store = sqlite3.connect(".processing_state.db")
    store.execute("CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON completed_chunks BEGIN SELECT RAISE(IGNORE); END")
    store.commit()
print(json.dumps({"cleaned_text": "x", "cost": 0.5}))
"""


@pytest.fixture
def talks(folder: Folder) -> Folder:
    """Three talks, the second of which spoils the store."""
    for name, text in (("a.txt", "One."), ("b.txt", "This will spoil it."), ("c.txt", "Three.")):
        folder.write(name, text)
    return folder


def test_a_program_reads_of_the_files_before_it(talks: Folder) -> None:
    """One document has the error, as every command prints one, and the record of each file and of all of them."""
    done = talks.json("run", "a.txt", "b.txt", "c.txt", *talks.command(SPOILING), code=2)
    assert (done["type"], done["exit_code"]) == ("StoreDamaged", 2)
    assert "trigger" in done["error"]
    jobs = [(job["file_name"], job["outcome"], job["broken_off_by"], job["cost"]) for job in done["jobs"]]
    assert jobs == [
        ("a.txt", "complete", None, 0.5),
        ("b.txt", "stopped", "StoreDamaged", None),
        ("c.txt", "not begun", None, None),
    ]
    summary = done["summary"]
    assert [summary[name] for name in ("files", "complete", "stopped", "not_begun", "cost")] == [3, 1, 1, 1, 0.5]
    assert summary["go_on_with"].endswith(" command.py")


def test_a_person_reads_the_error_once_and_the_sum(talks: Folder) -> None:
    """And the line that goes on."""
    said = talks.run("run", "a.txt", "b.txt", "c.txt", *talks.command(SPOILING), code=2).stderr
    assert said.count("trigger") == 1
    assert "checkpoint-store: b.txt: " in said
    assert "3 files  1 complete, 1 stopped, 1 not begun" in said
    assert "go on with:  python -m checkpoint_store run a.txt b.txt c.txt" in said


def test_where_no_file_is_over_the_error_is_all(talks: Folder) -> None:
    """There is nothing else to tell, and the document is that of any error."""
    done = talks.try_to_run("run", "b.txt", "c.txt", "--json", *talks.command(SPOILING))
    assert set(json.loads(done.stdout)) == {"error", "type", "exit_code"}
    assert done.code == 2
