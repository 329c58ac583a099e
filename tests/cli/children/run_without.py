"""Run the command where one module cannot be imported.

argv: the error of its import (ModuleNotFoundError, KeyboardInterrupt), the module, and the words of the command.
"""

from __future__ import annotations

import sys

error, module, *words = sys.argv[1:]


class Refused:
    def find_spec(self, name, path=None, target=None):
        if f"{name}.".startswith(f"{module}."):
            if error == "KeyboardInterrupt":
                raise KeyboardInterrupt
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Refused())


def main() -> None:
    """Import the command only now that the module is refused."""
    from checkpoint_store.cli import main as command

    sys.argv = ["checkpoint-store", *words]
    sys.exit(command())


main()
