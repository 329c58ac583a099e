"""Replace a file, and its backup, by other letters 150 times. argv: the file."""

from __future__ import annotations

import sys
from pathlib import Path

from checkpoint_store.system import file_replacement

path = Path(sys.argv[1])
for turn in range(150):
    file_replacement.replace_file(path, ["abc"[turn % 3] * 200_000], backup=path.with_suffix(".bak"))
