"""Use a store as the code of an earlier schema does, which lies in the folder frozen.

argv: the schema; begin (a job), work (on it, and wait for a line in chunk 5), look (how far it is, and wait); the time-out
of the lock in seconds; the journal (WAL, or rollback journal, as on a network file system).
"""

from __future__ import annotations

import sys
from importlib import import_module

sys.path.insert(0, "frozen")

import checkpoint_store
from checkpoint_store import CheckpointStore, CheckpointStoreError

assert "frozen" in checkpoint_store.__file__, checkpoint_store.__file__
version, todo, seconds, journal = sys.argv[1:]
if journal == "rollback journal":
    import_module("checkpoint_store._db.connect").journal_mode_for = lambda path: "truncate"


def begin(store):
    store.open_job("talk.srt", total_chunks=40)


def work(store):
    for chunk in store.open_job("talk.srt", total_chunks=40).pending():
        print(chunk.index, flush=True)
        if chunk.index == 5:
            sys.stdin.readline()
        chunk.complete("by the older code")


def look(store):
    print("open", store.latest_job().progress().completed_chunks, flush=True)
    sys.stdin.readline()


try:
    with CheckpointStore("talks.db", lock_timeout_seconds=float(seconds)) as store:
        assert store.info()["schema_version"] == version
        globals()[todo](store)
except CheckpointStoreError as error:
    print(type(error).__name__, flush=True)
