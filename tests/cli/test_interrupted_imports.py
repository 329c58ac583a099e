"""Ctrl-C while the command still imports what it needs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from conftest import program

from .conftest import ROOT, Folder

SIGNALLING = program(__file__, "signal_import")
PROGRAM = program(__file__, "interrupt_import")


@pytest.mark.slow_variants
@pytest.mark.parametrize("module", ["typing", "json", "checkpoint_store.cli.app", "click"])
def test_ctrl_c_while_the_command_imports_ends_it_quietly(folder: Folder, module: str) -> None:
    """Ctrl-C during the imports ends a command with 130 and without a traceback; ``--json`` prints a document."""
    words = [sys.executable, str(PROGRAM), module, "list", "--json"]
    done = subprocess.run(
        words, cwd=folder.path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert json.loads(done.stdout) == {"error": "interrupted", "type": "KeyboardInterrupt", "exit_code": 130}


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("words", [("run", "talk.txt"), ("resume",), ("run", "talk.txt", "--json")], ids=" ".join)
def test_a_signal_before_the_first_chunk_pauses_a_run(folder: Folder, words: tuple[str, ...], number: int) -> None:
    """A signal before the first chunk ends a run with exit 75 and a line; a quick second signal changes nothing."""
    folder.write("talk.txt", "One.")
    argv = [sys.executable, str(SIGNALLING), str(int(number)), "2", "checkpoint_store.cli.run.run", *words]
    done = subprocess.run(
        argv, cwd=folder.path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 75
    name = signal.Signals(number).name
    assert done.stderr == (
        f"checkpoint-store: ended by {name} while no chunk was in work; what was done is recorded, and the same command "
        "goes on\n"
    )
    assert folder.files() == {"talk.txt"}
    if "--json" in words:
        assert json.loads(done.stdout)["exit_code"] == 75
