"""Run the command, and send it a signal where it imports a module: signal_import.py NUMBER TIMES MODULE WORDS..."""

import signal
import sys

number, times, module = int(sys.argv.pop(1)), int(sys.argv.pop(1)), sys.argv.pop(1)
for name in [name for name in sys.modules if name == module]:
    del sys.modules[name]


class Signalling:
    """Finds no module, and signals whoever looks for this one."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == module:
            sys.meta_path.pop(0)
            for _time in range(times):
                signal.raise_signal(number)


sys.meta_path.insert(0, Signalling)
from checkpoint_store.cli import main  # noqa: E402 - from here on

sys.exit(main())
