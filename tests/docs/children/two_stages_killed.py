"""Run the example of two stages; each call is logged once it is paid for. Killed in the call with this number."""

import os
import signal
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

EXAMPLE, FOLDER, KILL_AT = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])


def paid_for(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def call(chunk: Any) -> Any:
        with Path("paid.log").open("a", encoding="utf-8") as log:
            log.write(f"{function.__name__} {chunk!r}\n")
        calls.append(chunk)
        if len(calls) == KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(chunk)

    return call


calls: list[Any] = []
spec = spec_from_file_location("two_stages", EXAMPLE)
assert spec is not None
assert spec.loader is not None
example: Any = module_from_spec(spec)
spec.loader.exec_module(example)
example.transcribe, example.correct = paid_for(example.transcribe), paid_for(example.correct)
example.main(FOLDER)
