"""Interrupts at any moment: the same store object goes on, and what was acknowledged is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine.base import RootTransaction

from checkpoint_store import CheckpointStore, JobStatus

from .warm import figures_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

# A watchdog ends the program, with all its threads' stacks, where a call does not come back.
COMMON = """
import faulthandler, gc, sqlite3
wanted, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
TOTAL = 10_000_000
kept = {}
def watch():
    faulthandler.dump_traceback_later(60, exit=True)
def descriptors():
    gc.collect()
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return sum("talks.db" in name for name in names), sum("talks.db" not in name for name in names)
def connections():
    gc.collect()
    return sum(isinstance(thing, sqlite3.Connection) for thing in gc.get_objects())
def judge(store, job, interrupts, acknowledged, before):
    lost = 0
    found = dict(job.items())
    lost = sum(found.get(index) != value for index, value in acknowledged.items())
    unasked = sum(value != {"of": index} for index, value in found.items())
    open_connections = connections()
    assert store.check() == []
    job.complete(TOTAL - 1, "still works")
    assert job.result(TOTAL - 1) == "still works"
    store.close()
    leaked = [now - then for now, then in zip(descriptors(), before)]
    leaked.append(max(open_connections - 2, connections()))
    print(json.dumps([interrupts, len(acknowledged), lost, unasked, *leaked]))
with CheckpointStore("talks.db") as store:  # what is opened once and kept, such as the time zone's file
    store.open_job("talk.srt", total_chunks=TOTAL).progress()
before = descriptors()
store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=TOTAL)
job.complete(0, {"of": 0})
job.result(0)
acknowledged = {0: {"of": 0}}
began = time.monotonic()
job.complete_many([(TOTAL - 2, {"of": TOTAL - 2})])
slow = max(1, (time.monotonic() - began) / 3e-3)  # on a slow disk the moments are as far apart as its calls are long
"""

KEYBOARD = (
    COMMON
    + """
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
interrupts = index = 0
while interrupts < wanted:
    watch()
    index += 1
    what = random.randrange(6)
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-3 * slow if what else 6e-4))
        try:
            if what == 0:
                job.progress()
            elif what == 1:
                job.complete_many([(index, {"of": index})])
            elif what == 2:
                for number, _ in enumerate(job.results()):
                    if number > 40: break
            else:
                job.complete(index, {"of": index})
            if what not in (0, 2):
                acknowledged[index] = {"of": index}
            # One that fell into a finalizer is not seen. No condition stands after `while`: Python 3.13 runs no handler
            # for an interrupt at the backward jump of such a loop.
            while True:
                if not signal.getitimer(signal.ITIMER_REAL)[0]:
                    break
                time.sleep(0.0001)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
    if random.random() < 0.05 and index not in acknowledged and what not in (0, 2):
        job.complete(index, {"of": index})
        acknowledged[index] = {"of": index}
judge(store, job, interrupts, acknowledged, before)
"""
)

THREADS = (
    COMMON
    + """
import ctypes
class Stop(BaseException):
    pass
raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
lock, counted, running = threading.Lock(), [0], [True]
def work(number):
    index = number
    while running[0]:
        index += 4
        try:
            job.complete(index, {"of": index})
            acknowledged[index] = {"of": index}
            job.progress()
        except Stop:
            counted[0] += 1
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
for thread in threads:
    thread.start()
interrupts = 0
while interrupts < wanted:
    watch()
    time.sleep(random.uniform(0, 0.004 * slow))
    threads = [thread for thread in threads if thread.is_alive()]
    while len(threads) < 4:  # one was hit between its own statements
        base = 1 + len(threads) + 4 * (max(acknowledged) // 4 + 1000)
        threads.append(threading.Thread(target=work, args=(base,)))
        threads[-1].start()
    interrupts += raise_in(ctypes.c_ulong(random.choice(threads).ident), ctypes.py_object(Stop))
running[0] = False
for thread in threads:
    watch()
    thread.join()
judge(store, job, interrupts, acknowledged, before)
"""
)

TASKS = (
    COMMON
    + """
import asyncio
cancelled = 0
async def one(index):
    await asyncio.to_thread(job.complete, index, {"of": index})
    acknowledged[index] = {"of": index}
async def main():
    global cancelled
    index = 0
    while cancelled < wanted:
        watch()
        tasks = [asyncio.create_task(one(index + number)) for number in range(1, 9)]
        index += 8
        await asyncio.sleep(random.uniform(0, 0.006 * slow))
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(one, asyncio.CancelledError) for one in done)
asyncio.run(main())
judge(store, job, cancelled, acknowledged, before)
"""
)
KINDS = {"KeyboardInterrupt": KEYBOARD, "exception in a thread": THREADS, "cancelled task": TASKS}


def _interrupts(children: Children, kind: str, wanted: int) -> None:
    interrupts, acknowledged, lost, wrong, *leaked = figures_of(children, KINDS[kind], wanted, 7)
    print(
        f"FIGURES interrupts: kind={kind!r} interrupts={interrupts} acknowledged={acknowledged} lost={lost} "
        f"wrong={wrong} leaked_store_descriptors={leaked[0]} leaked_connections={leaked[2]} other_descriptors={leaked[1]} "
        "deadlocks=0"
    )
    assert interrupts >= wanted
    assert acknowledged > 1
    assert (lost, wrong, leaked[0], leaked[2]) == (0, 0, 0, 0)
    # Python itself drops a descriptor that an interrupt cuts off between os.open() and the next statement.
    assert leaked[1] <= 1 + interrupts // 50


@pytest.mark.parametrize("wanted", [60, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_loses_and_leaks_nothing(children: Children, kind: str, wanted: int) -> None:
    """After interrupts at random moments the same store works, has what it acknowledged, and two connections."""
    _interrupts(children, kind, wanted)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_interrupts(children: Children, kind: str) -> None:
    """The same, ten thousand times over the three kinds."""
    _interrupts(children, kind, 3334)


@pytest.mark.parametrize("call", ["reading", "writing"])
def test_interrupted_between_two_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """An interrupt while SQLAlchemy ends what it takes for a transaction comes out as it is; the next call works."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, "before")
        original = RootTransaction._close_impl
        hits = []

        def interrupted(self: Any, **arguments: Any) -> None:
            if not hits:
                hits.append(call)
                raise KeyboardInterrupt
            original(self, **arguments)

        monkeypatch.setattr(RootTransaction, "_close_impl", interrupted)
        with pytest.raises(KeyboardInterrupt):
            job.progress() if call == "reading" else job.set_status(JobStatus.PAUSED)
        assert hits
        job.complete(1, "after")
        assert list(job.results()) == ["before", "after"]
