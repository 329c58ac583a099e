"""Kill a loop at each place between one chunk's completion and the next chunk, and look at what it leaves."""

from __future__ import annotations

import json
import os
import signal
import sys

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.storage.verbs.claims import ClaimStorage

step = int(sys.argv[1])
TOTAL = 5
chunk_queue._CLAIMED_AHEAD_SECONDS = 0.0
chunk_queue._COMES_BACK_SECONDS = 1e9


def work_on(path, number, notes):
    """Complete three chunks, and be killed at this place of the third completion, or on the way to the fourth chunk."""
    left = number

    def heed(frame, event, argument):
        nonlocal left
        left -= event in ("call", "c_return")
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    note_begun = ClaimStorage.note_begun

    def noted(self, runner_id, claims):
        os.write(notes, b"".join(b"%d" % claim.chunk_index for claim in claims))
        return note_begun(self, runner_id, claims)

    ClaimStorage.note_begun = noted  # type: ignore[method-assign]  # the promise is about the moment before it
    store = CheckpointStore(path, durability="process", state_file=None)
    for chunk in store.latest_job().pending():
        if chunk.index == 3:
            sys.setprofile(None)
            os._exit(0)
        if chunk.index == 2:
            sys.setprofile(heed)
        chunk.complete("new")


def look_at(path, started):
    """Return what is wrong after the kill."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.latest_job()
        in_doubt = [record.chunk_index for record in job.in_doubt_chunks()]
        begun = {index for index in started if job.progress().completed_chunks <= index}
        running = [record.chunk_index for record in job.running_chunks()]
        numbers = {chunk.index: chunk.attempt.number for chunk in job.pending()}
    # The work on chunk 2 had begun; of chunk 3 that may be noted shortly before its caller gets it.
    doubtful = begun - {3} <= set(in_doubt) <= begun
    tries = all(number == 1 + (index in in_doubt) for index, number in numbers.items())
    return None if doubtful and tries and not running else [in_doubt, sorted(begun), running, numbers]


points, wrong, number = 0, [], 1
while True:
    path = f"talks{number}.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=TOTAL)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        work_on(path, number, writing)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    started = [int(digit) for digit in os.read(reading, 100).decode()]
    os.close(reading)
    found = look_at(path, started)
    if found is not None:
        wrong.append([number, found])
    points, number = points + 1, number + step
print(json.dumps([points, wrong]))
