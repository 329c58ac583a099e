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
            return _ended_early(f"{ended}", ended, ended.exit_code)
    except ModuleNotFoundError as missing:
        from checkpoint_store.cli.early import what_to_install  # main() catches a Ctrl-C while it imports

        need = what_to_install(missing)
        if need is None:
            raise
        return _ended_early(need, missing, _EXIT_USAGE)
    except KeyboardInterrupt as interrupt:  # before or after the work: no chunk is in work
        return _EXIT_INTERRUPTED if is_begun else _ended_early("interrupted", interrupt, _EXIT_INTERRUPTED)


def _ended_early(message: str, error: BaseException, exit_code: int) -> int:
    from checkpoint_store.cli.early import tell_early  # main() catches a Ctrl-C while it imports
    from checkpoint_store.cli.notices import NOTICES  # main() catches a Ctrl-C while it imports

    if not isinstance(error, KeyboardInterrupt):
        NOTICES.write(f"checkpoint-store: {message}\n")
    tell_early(sys.argv, message, type(error).__name__, exit_code)
    return exit_code


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
