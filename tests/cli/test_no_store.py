"""A missing store is told as one, a folder that nobody may write in as one, and an error leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

from .conftest import AS_ANYBODY, ROOT, SIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder


def test_recover_says_that_there_is_no_store(folder: Folder) -> None:
    """``recover`` of a missing file says that the file is missing, speaks of no damage, and creates nothing."""
    for words in ((), ("--accept-loss",)):
        said = folder.run("recover", *words, "--store", "missing.db", code=2).stderr
        assert "there is no such file" in said
        assert "damaged" not in said
        assert folder.files() == set()


@pytest.mark.slow
def test_recover_brings_a_deleted_store_back(lecture: Folder) -> None:
    """Where the store file is gone and its state file is there, there is something to recover."""
    lecture.run("run", "lecture.txt", *SIX)
    (lecture.path / ".processing_state.db").unlink()
    lecture.run("recover")
    assert lecture.json("list")["jobs"][0]["status"] == "completed"


@pytest.mark.parametrize("command", ["merge", "import"])
@pytest.mark.parametrize("name", ["bad.db", "bad.json"])
def test_what_cannot_be_taken_in_leaves_no_store(folder: Folder, command: str, name: str) -> None:
    """A new store is created only for something that is put into it."""
    folder.write(name, "no store and no state")
    folder.run(command, name, "--store", "new.db", code=2)
    assert folder.files() == {name}


@pytest.mark.slow
def test_merging_into_a_new_store_takes_everything(lecture: Folder) -> None:
    """What is sound goes into a new store, with nothing else beside it than any store has."""
    lecture.run("run", "lecture.txt", *SIX)
    lecture.run("merge", ".processing_state.db", "--store", "new.db")
    assert len(lecture.json("list", "--store", "new.db")["jobs"]) == 1
    assert not [name for name in lecture.files() if "trial" in name or name.startswith(".checkpoint-store-")]


@pytest.fixture
def closed(lecture: Folder) -> Iterator[Folder]:
    """A folder that nobody may write in."""
    lecture.path.chmod(0o555)
    yield lecture
    lecture.path.chmod(0o755)


def _refused(folder: Folder, *words: str) -> str:
    """Return what the command says as a user without root's rights."""
    module = [*AS_ANYBODY, sys.executable, "-m", "checkpoint_store", *words]
    done = subprocess.run(
        module,
        cwd=folder.path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("run", "lecture.txt", "--output", "-"), ("merge", "lecture.txt")])
def test_a_folder_that_nobody_may_write_in_is_told(closed: Folder, words: tuple[str, ...]) -> None:
    """The message names the folder, waits for nobody, and does not advise to begin a store there."""
    said = _refused(closed, *words)
    assert f"no permission to create files in {closed.path}" in said
    assert "another process" not in said
    assert "begin one" not in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [("pause", "lecture.txt"), ("run", "lecture.txt", "--output", "-"), ("recover",)])
def test_a_store_in_such_a_folder_is_told_so_too(lecture: Folder, words: tuple[str, ...]) -> None:
    """A store is there, and may only be read: the folder is the reason, and no lock."""
    lecture.run("run", "lecture.txt", *SIX)
    lecture.path.chmod(0o555)
    try:
        said = _refused(lecture, *words)
    finally:
        lecture.path.chmod(0o755)
    assert f"no permission to write in {lecture.path}" in said
    assert "another process" not in said


@pytest.mark.slow
def test_a_store_without_permission_is_said_without_python(folder: Folder) -> None:
    """Who may not write to a store is told that, and no keyword of the library."""
    with CheckpointStore(folder.path / "locked.db") as store:
        store.open_job("a.txt", chunks=["a"])
    (folder.path / "locked.db").chmod(0o400)
    said = _refused(folder, "pause", "a.txt", "--store", "locked.db")
    assert "read_only" not in said
    assert "no permission" in said


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (("list", "--store", "no/x.db"), "does not exist; create it first, or name another store with --store"),
        (("list", "--store", ""), "give the path of a file, such as .processing_state.db"),
        (("backup", "no/copy.db"), "does not exist; create it first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_helps_is_about_the_file_at_fault(lecture: Folder, words: tuple[str, ...], ending: str) -> None:
    """Another ``--store`` is offered where the store is at fault, and not where it is the copy."""
    lecture.run("run", "lecture.txt", *SIX)
    assert lecture.run(*words, code=2).stderr.rstrip().endswith(ending)
