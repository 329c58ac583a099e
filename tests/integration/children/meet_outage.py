"""Work with a service that is away for a while; print how many calls were made."""

from __future__ import annotations

import sys

from integration.test_outages import PROMPTS
from integration.troubled_service import Client

from checkpoint_store import CheckpointStore

client = Client(int(sys.argv[1]))
with CheckpointStore("talks.db", state_file=None, durability="process") as store:
    store.map(client, PROMPTS, file_name="f", on_error="record")
print(len(client.calls))
