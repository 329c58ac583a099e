"""Try to replace a live file of a store by the second name of its folder, a mount, which no path resolves."""

from __future__ import annotations

import os
import subprocess
import sys

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
with open("one/talk.txt", "w") as source:
    source.write("the input")
before = sorted(os.listdir("one"))
for output in ("talk.txt", "new.db-wal"):
    words = ("run", "one/talk.txt", "--store", "one/new.db", "--output", f"two/{output}", "--force", "--", "cat")
    done = subprocess.run(
        [sys.executable, "-m", "checkpoint_store", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert sorted(os.listdir("one")) == before, output
print("done")
