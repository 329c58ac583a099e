"""Whether a command line asks for JSON. This module needs nothing but the standard library."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def asks_for_json(argv: Sequence[str]) -> bool:
    """Return whether ``--json`` is an option of ours; what follows ``--`` is COMMAND, with its own options."""
    return "--json" in (argv[1 : argv.index("--")] if "--" in argv else argv[1:])


def tell_early(argv: Sequence[str], message: str, kind: str, exit_code: int) -> None:
    """Print an error that comes before the command is imported, as JSON if the command line asks for JSON."""
    if asks_for_json(argv):
        with suppress(OSError):
            print(json.dumps({"error": message, "type": kind, "exit_code": exit_code}, indent=2))
            sys.stdout.flush()
