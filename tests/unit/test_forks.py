"""Hooks at a fork: one place registers them, in a fixed order, and a failing one skips no other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import program

HOOKS = program(__file__, "fork_hooks")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("failing", ["none", "signals", "object"])
def test_hooks_run_in_order_whatever_one_of_them_raises(failing: str) -> None:
    """Signals are held back before locks come to rest, and let through after them; no failure keeps a lock taken."""
    done = subprocess.run([sys.executable, HOOKS, failing], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line for line in lines if line.startswith("before")] == [
        "before workers", "before signals", "before object"
    ]  # fmt: skip
    assert [line for line in lines if line.startswith("child")] == ["child object", "child signals", "child workers"]
    parent = list(dict.fromkeys(line for line in lines if line.startswith("parent")))  # may be called twice
    assert parent == ["parent object", "parent signals", "parent workers"]
    assert done.stderr.count("ValueError: on purpose") == 0 if failing == "none" else done.stderr != ""
