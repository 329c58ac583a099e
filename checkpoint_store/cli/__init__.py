"""The ``checkpoint-store`` command. This module needs nothing but the standard library."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from checkpoint_store.cli.json_asked import tell_early
from checkpoint_store.cli.missing_extra import what_to_install

_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code; for a missing extra, say what to install."""
    is_begun = False
    _occupy_closed_streams()
    try:
        from checkpoint_store.cli.app import run_command_line  # the extra may be missing

        is_begun = True
        return run_command_line(sys.argv)
    except ModuleNotFoundError as missing:
        need = what_to_install(missing)
        if need is None:
            raise
        print(f"checkpoint-store: {need}", file=sys.stderr)
        tell_early(sys.argv, need, type(missing).__name__, _EXIT_USAGE)
        return _EXIT_USAGE
    except KeyboardInterrupt:  # before or after the work: no chunk is in work
        if not is_begun:
            tell_early(sys.argv, "interrupted", "KeyboardInterrupt", _EXIT_INTERRUPTED)
        return _EXIT_INTERRUPTED


def _occupy_closed_streams() -> None:
    """Open the null device in the place of each standard stream that is closed.

    Otherwise the next file that is opened, a file of the store, has the number of the stream, and what is written to
    standard error ends up in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
