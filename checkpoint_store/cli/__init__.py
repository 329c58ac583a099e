"""The ``checkpoint-store`` command. This module needs nothing but the standard library.

From the first line of :func:`main` on, Ctrl-C ends the command without a traceback. So this module imports nothing that
takes time.
"""

from __future__ import annotations

import os
import sys

_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code; for a missing extra, say what to install."""
    is_begun = False
    try:
        _occupy_closed_streams()
        if sys.stdout is None:
            from checkpoint_store.cli.early import ClosedOutput  # main() catches a Ctrl-C while it imports

            sys.stdout = ClosedOutput()
        from checkpoint_store.cli.ended import Terminated, ended_by_signals  # main() catches a Ctrl-C while it imports

        try:
            with ended_by_signals(sys.argv):
                from checkpoint_store.cli.app import run_command_line  # the extra may be missing

                is_begun = True
                return run_command_line(sys.argv)
        except Terminated as ended:  # a signal that comes later is reported by run_command_line
            return _ended_early(f"{ended}", type(ended).__name__, ended.exit_code)
    except ModuleNotFoundError as missing:
        from checkpoint_store.cli.early import what_to_install  # main() catches a Ctrl-C while it imports

        need = what_to_install(missing)
        if need is None:
            raise
        return _ended_early(need, type(missing).__name__, _EXIT_USAGE)
    except KeyboardInterrupt:  # before or after the work: no chunk is in work
        if not is_begun:
            _tell_early("interrupted", "KeyboardInterrupt", _EXIT_INTERRUPTED)
        return _EXIT_INTERRUPTED


def _ended_early(message: str, kind: str, exit_code: int) -> int:
    from checkpoint_store.cli.notices import NOTICES  # main() catches a Ctrl-C while it imports

    NOTICES.write(f"checkpoint-store: {message}\n")
    _tell_early(message, kind, exit_code)
    return exit_code


def _tell_early(message: str, kind: str, exit_code: int) -> None:
    from checkpoint_store.cli.early import tell_early  # main() catches a Ctrl-C while it imports

    tell_early(sys.argv, message, kind, exit_code)


def _occupy_closed_streams() -> None:
    """Open the null device in the place of each standard stream that is closed.

    Otherwise the next file that is opened, a file of the store, has the number of the stream, and what is written to
    standard error ends up in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            try:
                os.open(os.devnull, os.O_RDWR)
            except OSError:
                return
