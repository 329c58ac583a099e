"""Hold a store open until a line comes, and end with another one.

argv: the store, and any of: read only; rollback journal (as on a network file system); a child (which outlives this).
"""

from __future__ import annotations

import subprocess
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.connection import pragmas

target, *how = sys.argv[1:]
if "rollback journal" in how:
    pragmas.journal_mode_for = lambda path: "truncate"
store = CheckpointStore(target, read_only="read only" in how)
if "a child" in how:
    subprocess.Popen(["sleep", "300"])
print("open", flush=True)
sys.stdin.readline()
store.close()
print("closed", flush=True)
sys.stdin.readline()
