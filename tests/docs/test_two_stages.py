"""The example of two paid stages: killed in any call, it pays for that call alone once more."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two_stages.py"
KILLED = program(__file__, "two_stages_killed")
SAID = {"001.ogg": "UM HELLO", "002.ogg": "CALL ME uh BACK", "003.ogg": "never mind", "004.ogg": "GOOD um BYE"}
CALLS = 2 * len(SAID)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of recordings."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name, text in SAID.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def corrected(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "voices.db")) as raw:
        return [
            text
            for (text,) in raw.execute(
                "SELECT json_extract(result, '$.text') FROM chunk_results JOIN jobs USING (job_id) "
                "WHERE file_name = 'corrected' ORDER BY chunk_index"
            )
        ]


def jobs(folder: Path) -> list[tuple[str, int, str]]:
    with closing(sqlite3.connect(folder / "voices.db")) as raw:
        return raw.execute("SELECT file_name, total_chunks, status FROM jobs ORDER BY file_name DESC").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", range(1, CALLS + 1))
def test_killed_in_any_call(children: Children, recordings: Path, tmp_path: Path, kill_at: int) -> None:
    """A kill in any call of either stage makes that call alone again, and each stage stays a single job."""
    children.run(KILLED, EXAMPLE, recordings, kill_at, code=-signal.SIGKILL)
    children.run(KILLED, EXAMPLE, recordings, 0)
    paid = Counter((tmp_path / "paid.log").read_text("utf-8").splitlines())
    assert (len(paid), paid.total(), max(paid.values())) == (CALLS, CALLS + 1, 2)
    assert corrected(tmp_path) == ["Hello.", "Call me back.", "Never mind.", "Good bye."]
    assert jobs(tmp_path) == [("recordings", 4, "completed"), ("corrected", 4, "completed")]


@pytest.mark.slow
def test_the_second_stage_does_not_wait_for_the_first(children: Children, recordings: Path, tmp_path: Path) -> None:
    """Each transcript is corrected as soon as it is there, and recordings that come later are appended."""
    children.run(KILLED, EXAMPLE, recordings, 0)
    (recordings / "005.ogg").write_text("ONE MORE", "utf-8")
    children.run(KILLED, EXAMPLE, recordings, 0)
    stages = [line.split()[0] for line in (tmp_path / "paid.log").read_text("utf-8").splitlines()]
    assert stages == ["transcribe", "correct"] * 5
    assert jobs(tmp_path) == [("recordings", 5, "completed"), ("corrected", 5, "completed")]
