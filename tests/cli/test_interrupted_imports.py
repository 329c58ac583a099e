"""Ctrl-C while the command still imports what it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import program

from .conftest import ROOT, Folder

PROGRAM = program(__file__, "interrupt_import")


@pytest.mark.parametrize("module", ["typing", "json", "checkpoint_store.cli.app", "click"])
def test_ctrl_c_while_the_command_imports_ends_it_quietly(folder: Folder, module: str) -> None:
    """With 130, and without a traceback; with --json, one document says so."""
    words = [sys.executable, str(PROGRAM), module, "list", "--json"]
    done = subprocess.run(
        words, cwd=folder.path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert json.loads(done.stdout) == {"error": "interrupted", "type": "KeyboardInterrupt", "exit_code": 130}
