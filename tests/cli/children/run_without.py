"""Run the command where one module is not installed."""

from __future__ import annotations

import sys

missing = sys.argv[1]


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())


def main() -> None:
    """Import the command only now that the module is missing."""
    from checkpoint_store.cli import main as command

    sys.argv[1:] = ["run", "talk.txt"]
    sys.exit(command())


main()
