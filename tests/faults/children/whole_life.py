"""The whole life of a store, with everything that the library does beside it."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from faults.children.watch import caught, root, seen

from checkpoint_store import CheckpointStore, CheckpointStoreError, StateManager, migrate, migration_status
from checkpoint_store.cli.app import run_command_line
from checkpoint_store.maintenance import doctor, recover_store, restore_store
from checkpoint_store.storage.connection import checkpoint

checkpoint.CHECKPOINT_BYTES = 30_000
quiet = Path(os.devnull).open("w")  # noqa: SIM115 - open until the end


def here(name):
    return os.path.join(root, name)


path = here("talks.db")


def command(*words):
    sys.stdout, sys.stderr, kept = quiet, quiet, (sys.stdout, sys.stderr)
    try:
        return run_command_line(["checkpoint-store", *words, "--store", path])
    finally:
        sys.stdout, sys.stderr = kept


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except CheckpointStoreError:
        return
    raise AssertionError(call)


def look():
    for found in doctor(path):
        assert found.level != "problem", found
    with CheckpointStore(path, read_only=True) as reading:
        assert reading.check() == []
        list(reading.latest_job().results(missing="skip"))
        reading.latest_job().export(here("elsewhere.json"), replace=True)
    migration_status(path)
    for word in ("list", "show", "results", "chunks", "errors", "check", "doctor", "path"):
        command(word)


def killed(work):
    child = os.fork()
    if not child:
        work()
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def begin():
    CheckpointStore(path).open_job("lecture.srt", total_chunks=30).complete(0, "x")


killed(begin)  # opened from nothing, and killed
with CheckpointStore(path) as store:  # opened with a log that was left
    job = store.open_job("lecture.srt", total_chunks=30)
    job.complete_many((index, "x" * 9000) for index in range(1, 5))
    for chunk in job.pending():
        if chunk.index == 10:
            chunk.fail("not now")
            break
        chunk.complete("y" * 9000)
    look()
    assert store.check() == [] and store.info()
    store.backup(here("copy.db"))
    refused(restore_store, here("copy.db"), path, lock_timeout_seconds=0)
    refused(recover_store, path, lock_timeout_seconds=0)
    refused(migrate, path, to="1.0", lock_timeout_seconds=0)
    with CheckpointStore(path) as second:
        second.job(job.job_id).complete(20, "twice open")
    killed(lambda: job.complete(21, "in a child"))
    job.retry_failed()
    job.pause()
    job.resume()
    for item in job.map(lambda index: "z" * 9000, workers=3):
        if item.index == 15:
            look()
    job.export()
    other = store.open_job("other.srt", total_chunks=1)
    other.complete(0, "other")
    store.delete_job(other.job_id)
    store.import_state(here("elsewhere.json"))
    command("backup", here("second.db"))
    command("export", job.job_id, here("third.json"))
look()
with StateManager(here("talks.json")) as manager:
    assert manager.load() is not None
    manager.set_status("paused")
    command("doctor")
warnings.simplefilter("ignore")  # of the results that a restore leaves behind, and of a recovery
command("restore", here("copy.db"))
restore_store(here("copy.db"), path)
with open(path, "r+b") as file:  # nobody has it open
    file.seek(8192)
    file.write(bytes(30_000))
CheckpointStore(path).close()  # recovers
recover_store(path, accept_loss=True)
killed(lambda: CheckpointStore(path).latest_job().complete(25, "late", replace=True))
look()
CheckpointStore(path).close()
look()
print(len(set(seen)), *caught, sep="\n")
