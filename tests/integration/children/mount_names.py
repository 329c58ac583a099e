"""Give a store a second name by mounting its file, and then by mounting its folder."""

from __future__ import annotations

import os
import subprocess

from checkpoint_store import CheckpointStore, StoreTargetError


def mount(*words):
    subprocess.run(["mount", *words], check=True)


with CheckpointStore("one/talks.db") as store:
    store.open_job("talk.srt", total_chunks=4).complete(0, "paid for")
os.makedirs("two words\\")
open("two words\\/talks.db", "w").close()
mount("--bind", "one/talks.db", "two words\\/talks.db")
for read_only in (False, True):
    try:
        CheckpointStore("two words\\/talks.db", read_only=read_only, state_file=None)
    except StoreTargetError as error:
        assert "mounted by itself" in str(error) and "mount the folder" in str(error), error
    else:
        raise AssertionError("not refused")
assert os.listdir("two words\\") == ["talks.db"]
with CheckpointStore("one/talks.db") as store:  # the name that it has had before is its name
    store.latest_job().complete(1, "goes on")
os.makedirs("three")
mount("--bind", "one", "three")
with CheckpointStore("one/talks.db") as store, CheckpointStore("three/talks.db") as other:
    store.latest_job().complete(2, "by one name of the folder")
    other.latest_job().complete(3, "by the other")
    assert len(list(store.latest_job().items())) == len(list(other.latest_job().items())) == 4
    assert store.check() == []
print("done")
