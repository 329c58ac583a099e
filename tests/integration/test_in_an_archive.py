"""A program that brings the library along in a zip file."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import program

import checkpoint_store
from checkpoint_store.storage.upgrade.migrate import scripts_folder

PROGRAM = program(__file__, "use_archive")


@pytest.mark.slow
def test_a_store_is_made_by_a_program_in_an_archive(tmp_path: Path) -> None:
    """The schema's scripts are read out of the archive, and nothing of them stays behind in the temporary folder."""
    archive, temporary = tmp_path / "program.zip", tmp_path / "tmp"
    temporary.mkdir()
    package, scripts = Path(checkpoint_store.__file__).parent, scripts_folder()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in package.rglob("*.py"):
            zipped.write(path, path.relative_to(package.parent))
        for path in scripts.rglob("*"):
            if path.suffix in (".py", ".mako"):
                zipped.write(path, Path("checkpoint_store", "_migrations") / path.relative_to(scripts))
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), archive],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.stdout, done.returncode) == ("recorded\n", 0), done.stderr
    assert list(temporary.iterdir()) == []
