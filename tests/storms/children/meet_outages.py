"""Work with a service that is away at times; print how many calls were made."""

from __future__ import annotations

import sys

from integration.troubled_service import Client
from storms.test_outages import PROMPTS, WIDTH

from checkpoint_store import CheckpointStore

client = Client(int(sys.argv[1]))
with CheckpointStore("talks.db", state_file=None, durability="process") as store:
    store.map(client, PROMPTS, file_name="f", on_error="record", workers=WIDTH)
print(len(client.calls))
