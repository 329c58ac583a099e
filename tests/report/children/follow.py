"""Follow a store with a report."""

from __future__ import annotations

from checkpoint_store import CheckpointStore, report

with CheckpointStore("talks.db", read_only=True) as store:
    report.follow(store, "page.html", every_seconds=0.05, on_written=lambda path: print("written", flush=True))
