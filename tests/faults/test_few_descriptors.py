"""Where descriptors have run out, what was asked for works, or one error says so; nothing recorded is lost."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import StorageUnavailableError
from checkpoint_store.storage.connection import errors
from checkpoint_store.system import descriptors
from checkpoint_store.system.files import storage_error

if TYPE_CHECKING:
    from conftest import Children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")


def outcomes(children: Children, *free: int) -> dict[str, str]:
    """Return how each call of a store ended with this many descriptors left."""
    found: dict[str, str] = json.loads(children.run(program(__file__, "few_descriptors"), *free))
    return found


def other_ends(found: dict[str, str]) -> dict[str, str]:
    """What neither worked nor ended in the error that names descriptors and their limit."""
    named = ("no file descriptor left", "ulimit -n")
    return {way: said for way, said in found.items() if said != "done" and not all(word in said for word in named)}


def test_running_out_is_told_as_that() -> None:
    """A file, a module or SQLite that cannot be opened for want of a descriptor: the error names the limit to raise."""
    run_out = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "secrets.py")
    assert "ulimit -n" in str(storage_error(run_out, Path("talk.db")))
    with (
        pytest.raises(StorageUnavailableError, match=r"secrets\.py cannot be used now: .*ulimit -n"),
        descriptors.importing(),
    ):
        raise run_out
    with pytest.raises(ModuleNotFoundError), descriptors.importing():
        importlib.import_module("nothing_of_this_name")


def test_sqlite_does_not_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's "unable to open database file" gets the reason where descriptors are short, and only there."""
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    assert "descriptor" not in str(errors.translate(error, Path("talk.db"), 0.0))

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(descriptors.os, "open", refuse)
    for name in ("resource", "tempfile"):  # no descriptor, no module
        monkeypatch.setitem(sys.modules, name, None)
    assert "ulimit -n" in str(errors.translate(error, Path("talk.db"), 0.0))


@pytest.mark.slow
def test_no_descriptor_left(children: Children) -> None:
    """Without a free descriptor, each call works or names descriptors and `ulimit -n`; it raises no bare OSError."""
    found = outcomes(children, 0)
    assert other_ends(found) == {}
    assert "done" not in {found["map, 0 free"], found["open, 0 free"], found["merge, 0 free"]}


@pytest.mark.slow
def test_few_descriptors_left(children: Children) -> None:
    """With one or five free descriptors each call works or names the shortage; with twenty, everything works."""
    found = outcomes(children, 1, 5, 20)
    assert other_ends(found) == {}
    assert {said for way, said in found.items() if ", 20 " in way} == {"done"}
