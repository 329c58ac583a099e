"""Redo chunks and be killed at each statement from then on, in forks; look at what is there, and go on.

argv: how many statements apart the kills are. Prints JSON: how many kills, and how many left an earlier result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from storms.forking import forked

from checkpoint_store import CheckpointStore, ProcessingState

CHUNKS, AGAIN = 4, [0, 2, 3]
real = sqlite3.connect


class Cursor(sqlite3.Cursor):
    count = staticmethod(lambda: None)

    def execute(self, *words):
        self.count()
        return super().execute(*words)

    def executemany(self, *words):
        self.count()
        return super().executemany(*words)


class Counting(sqlite3.Connection):
    def cursor(self, factory=None):
        return super().cursor(Cursor)

    def execute(self, *words):
        return self.cursor().execute(*words)

    def executemany(self, *words):
        return self.cursor().executemany(*words)


def work(index: int) -> dict[str, str]:
    with Path("paid.log").open("a") as log:
        log.write(f"{index}\n")
    return {"by": "the redo"}


def paid() -> Counter[int]:
    """Return how often each chunk was paid for since the first run."""
    return Counter(map(int, Path("paid.log").read_text().split()))


def redo_and_work(number: int) -> None:
    """Ask for the redo and do it; be killed at this statement, counted from the asking on."""
    patched: Any = sqlite3
    patched.connect = lambda *words, **options: real(*words, **options, factory=Counting)
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with CheckpointStore("talks.db") as store:
        job = store.job("talk.srt")
        Cursor.count = staticmethod(count)
        job.redo(AGAIN)
        Path("asked").touch()
        for _ in job.map(work):
            pass
        Cursor.count = staticmethod(lambda: None)
    os._exit(77 if seen < number else 78)


def look() -> tuple[dict[int, str], set[int]]:
    """Return by whom each result was made, and which chunks are to be done again, as a person at the prompt sees it."""
    with closing(real("talks.db")) as raw:
        made = raw.execute("SELECT c.chunk_index, result FROM completed_chunks c JOIN chunk_results USING (result_id)")
        results = {index: json.loads(result)["by"] for index, result in made}
        marks = {index for (index,) in raw.execute("SELECT chunk_index FROM chunk_redos")}
    state = ProcessingState.from_json(Path("talks.json").read_bytes())
    assert sorted(state.results()) == [0, 1, 2, 3], state
    return results, marks


def go_on(*, was_asked: bool) -> None:
    """Do what the next run does."""
    with CheckpointStore("talks.db") as store:
        assert store.recovery is None and store.check() == []
        job = store.job("talk.srt")
        if not was_asked and not job.to_redo():
            job.redo(AGAIN)
        for _ in job.map(work):
            pass
        assert (job.status, job.to_redo()) == ("completed", [])
        assert store.check() == []


Path("template").mkdir()
with CheckpointStore("template/talks.db") as store:
    list(store.open_job("talk.srt", total_chunks=CHUNKS).map(lambda _: {"by": "the first run"}))
kills = left = 0
for number in range(1, 10_000, int(sys.argv[1])):
    shutil.rmtree("trial", ignore_errors=True)
    shutil.copytree("template", "trial")
    os.chdir("trial")
    Path("paid.log").touch()
    status = os.waitpid(forked(redo_and_work, number), 0)[1]
    if os.waitstatus_to_exitcode(status) == 77:
        break
    assert status == signal.SIGKILL, (number, status)
    kills += 1
    results, marks = look()
    was_asked = Path("asked").exists()
    assert marks <= set(AGAIN) and (was_asked or marks in (set(), set(AGAIN))), (number, marks)
    assert results[1] == "the first run" and len(results) == CHUNKS, (number, results)
    for index in AGAIN:  # the earlier result until the new one is there, and the mark with it
        assert (results[index] == "the first run") == (index in marks or not (was_asked or marks)), (number, index)
    left += bool(marks)
    before = paid()
    go_on(was_asked=was_asked)
    after = paid()
    for index in AGAIN:
        assert after[index] - before[index] == (results[index] == "the first run"), (number, before, after)
    assert after.total() <= len(AGAIN) + 1 and not after[1], (number, after)  # one call may be in work at a kill
    results, marks = look()
    assert ({results[index] for index in AGAIN}, marks) == ({"the redo"}, set()), (number, results)
    os.chdir("..")
print(json.dumps({"kills": kills, "left": left}))
