"""Run the command, and press Ctrl-C where it imports a module for the first time: interrupt_import.py MODULE WORDS..."""

import sys

module = sys.argv.pop(1)
sys.modules.pop(module, None)


class Interrupting:
    """Finds no module, and interrupts whoever looks for this one."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == module:
            sys.meta_path.pop(0)
            raise KeyboardInterrupt


sys.meta_path.insert(0, Interrupting)
from checkpoint_store.cli import main  # noqa: E402 - from here on

sys.exit(main())
