"""A job whose process was killed: nobody is told for ever that it is running."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from conftest import program

from .conftest import Folder

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

PROGRAM = program(__file__, "hang_in_pending")


def test_a_killed_job_is_shown_as_interrupted(tmp_path: Path, children: Children) -> None:
    """``list`` and ``show`` say so to people; ``--json`` has the recorded status, and whether a runner is alive."""
    folder = Folder(tmp_path)
    process = children.start(PROGRAM)
    assert children.next_line(process) == "begun"
    assert "running" in folder.run("list").stdout
    assert (folder.json("show")["status"], folder.json("show")["is_active"]) == ("running", True)
    process.kill()
    children.finish(process, code=-signal.SIGKILL)
    for command in ("list", "show"):
        shown = folder.run(command).stdout
        assert "interrupted" in shown
        assert "running" not in shown
    assert (folder.json("show")["status"], folder.json("show")["is_active"]) == ("running", False)
