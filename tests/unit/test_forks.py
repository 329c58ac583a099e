"""Hooks at a fork: one place registers them, in a fixed order, and a failing one skips no other."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import program

if TYPE_CHECKING:
    from conftest import Children

HOOKS = program(__file__, "fork_hooks")


@pytest.mark.slow_variants
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


def test_two_threads_that_fork_at_once_leave_no_lock_taken(children: Children) -> None:
    """Two threads may fork at the same time: the objects rest over both forks, and no lock stays taken."""
    assert children.run(program(__file__, "fork_in_two_threads"), fresh=True) == "[True]\n"


def test_an_object_that_is_added_during_a_fork_rests_too(children: Children) -> None:
    """What a thread opens during a fork rests as well, or is opened after the fork: the child has none of it."""
    said = children.run(program(__file__, "fork_beside_additions"), fresh=True).splitlines()
    assert said == ["rests", "rests", "waits for the fork: True", "added"]


def test_a_fork_waits_for_a_thread_that_takes_a_lock_file(children: Children) -> None:
    """A thread that uses an object gets a lock file also after a fork has begun, so the object comes to rest."""
    assert children.run(program(__file__, "fork_beside_a_file_lock"), fresh=True) == "True\n"


def test_a_signal_handler_may_fork_during_a_fork(children: Children) -> None:
    """A fork inside another fork of the same thread leaves the objects at rest, and no lock stays taken after both."""
    assert children.run(program(__file__, "fork_in_signal_handler"), fresh=True) == "[]\n"
