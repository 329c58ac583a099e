"""Root of a user namespace, as in a container without the users of its host, is a user like any other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534
OPEN_AND_SAY = program(__file__, "open_and_say")
IN_A_NAMESPACE = ("unshare", "-U", "-r")
pytestmark = [pytest.mark.root, pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")]


def test_the_owner_of_a_store_is_named(tmp_path: Path) -> None:
    """Whoever may not write a store of an unmapped user learns whose it is; a chmod would not help."""
    if not shutil.which("unshare") or subprocess.run([*IN_A_NAMESPACE, "true"], check=False).returncode:
        pytest.skip("this machine makes no user namespaces")
    CheckpointStore(tmp_path / "talks.db").close()
    os.chown(tmp_path / "talks.db", NOBODY, NOBODY)
    argv = [*IN_A_NAMESPACE, sys.executable, OPEN_AND_SAY, tmp_path / "talks.db", "False"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert f"no permission to read and write this file of another user (uid {NOBODY}); work on it as" in printed
    assert "read_only=True" not in printed
