"""Import a module, and print as JSON which of some others came with it, and what it wrote or started.

argv: the module, the others.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

WATCHED = ("sqlite3.", "socket.", "subprocess.", "os.mkdir", "os.rename", "os.remove", "_thread.")
events = []


def watch(event, arguments):
    writes = event == "open" and (set(str(arguments[1] or "")) & set("wax+") or (arguments[2] or 0) & 0o103)
    if writes or event.startswith(WATCHED):
        events.append(f"{event} {arguments}")


module, *others = sys.argv[1:]
sys.addaudithook(watch)
import_module(module)
print(json.dumps({"loaded": [name for name in others if name in sys.modules], "events": events}))
