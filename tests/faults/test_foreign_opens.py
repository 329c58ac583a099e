"""No file that SQLite has open is opened past it: closing that would drop the locks (sqlite.org/howtocorrupt.html, 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Children

# Whatever Python opens passes the hook; what SQLite has open by itself shows in /proc. Where the two meet, or where a
# file is read without locks that is open with them, the stack is kept.
WATCH = """
import os, sys, traceback, urllib.parse, warnings
root, caught, seen = os.path.realpath(sys.argv[1]), [], []
def ours(path):
    there = os.path.realpath(path)
    name = os.path.basename(there)
    if os.path.dirname(there).startswith(root) and ".db" in name and ".runner-" not in name:
        return there
def is_open(path):
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == path:
                return True
        except OSError:
            pass
def hook(event, arguments):
    path = None
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = ours(os.fsdecode(arguments[0]))
    elif event == "sqlite3.connect":
        address, _, options = os.fsdecode(arguments[0]).partition("?")
        path = ours(urllib.parse.unquote(address.removeprefix("file://")))
        seen.append(path)
        path = path if "immutable=1" in options else None
    if path is not None and is_open(path):
        caught.append(f"{event} {path}" + "".join(traceback.format_stack(limit=12)))
sys.addaudithook(hook)
"""

LIFE = """
from checkpoint_store import *
from checkpoint_store._db import engine
from checkpoint_store.care import doctor, recover_store, restore_store
from checkpoint_store.cli.app import run_command_line
engine.CHECKPOINT_EVERY = 30_000
here = lambda name: os.path.join(root, name)
path, quiet = here("talks.db"), open(os.devnull, "w")
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
        list(reading.latest_job().results())
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

killed(begin)                                    # opened from nothing, and killed
with CheckpointStore(path) as store:             # opened with a log that was left
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
command("restore", here("copy.db"))
restore_store(here("copy.db"), path)
with open(path, "r+b") as file:                  # nobody has it open
    file.seek(8192)
    file.write(bytes(30_000))
warnings.simplefilter("ignore")
CheckpointStore(path).close()                    # recovers
recover_store(path, accept_loss=True)
killed(lambda: CheckpointStore(path).latest_job().complete(25, "late", replace=True))
look()
CheckpointStore(path).close()
look()
"""

OFFENDERS = """
import sqlite3
from checkpoint_store import CheckpointStore
path = os.path.join(root, "other.db")
with CheckpointStore(path) as store:
    store.open_job("x", total_chunks=1)
    open(path, "rb").close()
    os.close(os.open(path + "-shm", os.O_RDONLY))
    sqlite3.connect(f"file://{path}?mode=ro&immutable=1", uri=True).close()
print(len(caught))
"""


def test_no_live_file_is_opened_past_sqlite(children: Children) -> None:
    """Through the whole life of a store, with doctor, backups, restoring, recovery, forks and commands beside it."""
    said = children.run(f"{WATCH}{LIFE}print(len(set(seen)), *caught, sep='\\n')", ".")
    files, _, stacks = said.partition("\n")
    assert stacks == ""
    assert int(files) > 5


def test_the_watch_sees_an_open_past_sqlite(children: Children) -> None:
    """The control: a read, one of the index, and a connection without locks are each caught."""
    assert children.run(f"{WATCH}{OFFENDERS}", ".") == "3\n"
