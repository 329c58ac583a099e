"""A job whose process was killed: nobody is told for ever that it is running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from conftest import program

from .conftest import Folder

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = program(__file__, "hang_in_pending")


def test_a_killed_job_is_shown_as_interrupted(tmp_path: Path) -> None:
    """``list`` and ``show`` say so to people; ``--json`` has the recorded status, and whether a runner is alive."""
    folder = Folder(tmp_path)
    process = subprocess.Popen([sys.executable, str(PROGRAM)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert "running" in folder.run("list").stdout
        assert (folder.json("show")["status"], folder.json("show")["is_active"]) == ("running", True)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    for command in ("list", "show"):
        shown = folder.run(command).stdout
        assert "interrupted" in shown
        assert "running" not in shown
    assert (folder.json("show")["status"], folder.json("show")["is_active"]) == ("running", False)
