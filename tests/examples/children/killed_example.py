"""Run an example, and be killed at one moment of one of its calls.

argv: the moment, the number of the call from 1, the example and its words.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import wave
from typing import Any

where, at = sys.argv.pop(1), int(sys.argv.pop(1))
calls = []
replace, close = os.replace, wave.Wave_write.close


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def watched(old, new):
    if "audio" not in str(new):
        replace(old, new)
        return
    if where == "before the file is whole" and calls.count("call") == at:
        die()
    replace(old, new)
    if where == "between the file and the record" and calls.count("call") == at:
        die()


def counted(self):
    if self._file is not None:
        calls.append("call")
        print("call", flush=True)
        if where == "in the call" and calls.count("call") == at:
            die()
    close(self)


patched_os: Any = os
patched_wave: Any = wave.Wave_write
patched_os.replace, patched_wave.close = watched, counted
del sys.argv[0]
sys.argv = [sys.argv[0], *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
