"""End in the middle of the replacement of a file. argv: the file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from checkpoint_store.system import file_replacement


def parts():
    yield "a"
    os._exit(9)


file_replacement.replace_file(Path(sys.argv[1]), parts())
