"""Make every kind of file under this umask."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from checkpoint_store.system import file_replacement, files
from checkpoint_store.system.file_lock import file_lock

folder = Path(sys.argv[1])
os.umask(int(sys.argv[2], 8))
modes = set()


def look():
    modes.update((path.name.split(".tmp-")[0], oct(path.stat().st_mode & 0o7777)) for path in folder.iterdir())


def pieces(text):
    look()
    yield text
    look()


files.create_private(folder / "created")
file_replacement.replace_file(folder / "state", pieces("one"), backup=folder / "backup")
file_replacement.replace_file(folder / "state", pieces("two"), backup=folder / "backup")
with file_lock(folder / "lock", 5):
    look()
look()
print(sorted(modes))
