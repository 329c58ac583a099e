"""Try to replace a live file of a store by the second name of its folder, a mount, which no path resolves."""

from __future__ import annotations

import os
import subprocess

from checkpoint_store import CheckpointStore, StoreTargetError

os.makedirs("two")
subprocess.run(["mount", "--bind", "one", "two"], check=True)
with CheckpointStore("one/talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=2)
    job.complete(0, "paid for")
    for replace in (job.export, store.backup):
        for name in ("talks.db", "talks.db-wal", "talks.lock", "talks.open"):
            try:
                replace(f"two/{name}", replace=True)
            except StoreTargetError as error:
                assert "belongs to it" in str(error), error
            else:
                raise AssertionError(f"{name} was replaced")
            assert store.owns(f"two/{name}"), name
    assert store.check() == []
with CheckpointStore("two/talks.db") as store:
    assert dict(store.job("talk.srt").items()) == {0: "paid for"}
print("done")
