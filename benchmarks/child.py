"""Call one function in a process of its own: ``python -m benchmarks.child MODULE:FUNCTION '{"argument": …}'``."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.targets_write import everyone


def checkpoints(name: str, folder: str, count: int) -> int:
    """Make ``count`` checkpoints, while another program counts the system calls."""
    contender = next(one for one in everyone() if one.name == name)
    session = contender.make(Path(folder))
    session.run(0, count)
    session.close()
    return count


def main() -> None:
    module, _, function = sys.argv[1].partition(":")
    value = getattr(import_module(f"benchmarks.{module}"), function)(**json.loads(sys.argv[2]))
    print(json.dumps(value))


if __name__ == "__main__":
    main()
