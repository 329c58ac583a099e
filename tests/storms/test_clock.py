"""The clock goes back a month or forward ten years: order, resuming and backups do not depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

DAY = 86_400
JUMPS = {"back 30 days": -30 * DAY, "forward 10 years": 3653 * DAY}

# Every clock that shows a date is set; the one that only measures runs on, as the system's does.
SHIFTED = """
import datetime as dates
jump, when = float(sys.argv[1]), sys.argv[2]
real_time, real_ns, shift = time.time, time.time_ns, [0.0]
time.time = lambda: real_time() + shift[0]
time.time_ns = lambda: real_ns() + int(shift[0] * 1e9)
import checkpoint_store._db.backup as backup, checkpoint_store._db.recover as recover
backup._CREDIT_SECONDS = 1e9  # a copy at every end, also where the disk is slow
class Clock(dates.datetime):
    @classmethod
    def now(cls, tz=None):
        return dates.datetime.fromtimestamp(time.time(), tz)
recover.datetime = Clock
def leap(at):
    if when in (at, "both"):
        shift[0] += jump
"""

RUNS = (
    SHIFTED
    + """
said = {}
with CheckpointStore("talks.db") as store:
    first = store.open_job("talk.srt", total_chunks=6)
    for index in range(3):
        first.complete(index, index)
    leap("during")
    for index in range(3, 5):
        first.complete(index, index)
    progress = first.progress()
    said["progress"] = [progress.completed_chunks, progress.percent > 80, progress.chunks_per_minute is None
                        or progress.chunks_per_minute >= 0]
    first.pause()
leap("between")
with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=6)
    said["resumed"] = [job.job_id == first.job_id, [chunk.index for chunk in job.pending()]]
    job.complete(5, 5)
    said["rate"] = job.progress().chunks_per_minute is None or job.progress().chunks_per_minute >= 0
    job.finish()
    second = store.open_job("talk.srt", total_chunks=2, fresh=True)
    said["latest"] = store.latest_job().job_id == second.job_id
    leap("during")
    third = store.open_job("other.srt", total_chunks=1)
    said["order"] = [one.job_id for one in store.jobs()] == [third.job_id, second.job_id, first.job_id]
    leap("between")
    said["newest of the file"] = store.open_job("talk.srt", total_chunks=2).job_id == second.job_id
    for _ in range(4):
        leap("during")
        third.pause()
        third.resume()
    said["results"] = list(job.results()) == list(range(6))
    said["check"] = store.check() == []
from checkpoint_store._db.backup import backups_of
from pathlib import Path
names = [path.name for path in backups_of(Path("talks.db"))]
said["backups"] = [0 < len(names) <= 2, names == sorted(names, reverse=True)]
with CheckpointStore(backups_of(Path("talks.db"))[0], state_file=None, read_only=True) as store:
    said["newest backup"] = len(store.jobs()) == 3
os.truncate("talks.db", 10000)
leap("both")
with CheckpointStore("talks.db") as store:
    said["recovered"] = list(store.job(first.job_id).results()) == list(range(6))
print(json.dumps(said))
"""
)


@pytest.mark.parametrize(
    ("jump", "when"),
    [("back 30 days", "both"), ("forward 10 years", "both")]
    + [pytest.param(jump, when, marks=pytest.mark.slow) for jump in JUMPS for when in ("between", "during")],
)
def test_a_clock_that_jumps_changes_no_order(children: Children, jump: str, when: str) -> None:
    """Set between or during runs, the clock changes what times are shown, and nothing else."""
    said = figures_of(children, "warnings.simplefilter('default', StoreRecovered)\n" + RUNS, JUMPS[jump], when)
    print(f"FIGURES clock: jump={jump!r} when={when} wrong=0")
    assert said == {
        "progress": [5, True, True],
        "resumed": [True, [5]],
        "rate": True,
        "latest": True,
        "order": True,
        "newest of the file": True,
        "results": True,
        "check": True,
        "backups": [True, True],
        "newest backup": True,
        "recovered": True,
    }
