"""The ``checkpoint-store`` command. This module needs nothing but the standard library."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"click", "rich", "charset_normalizer", "semantic_text_splitter"})
_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code; for a missing extra, say what to install."""
    try:
        from checkpoint_store.cli.app import run_command_line  # the extra may be missing

        return run_command_line(sys.argv)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        need = f"checkpoint-store: {missing.name} is not installed; the command needs:"
        print(f"{need} pip install 'checkpoint-store[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before or after the work: no chunk is in work
        return _INTERRUPTED
