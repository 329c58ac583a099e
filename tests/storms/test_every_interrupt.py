"""An interrupt at every place where Python heeds one: nothing is held for ever, and the same store object goes on.

The storms of ``test_interrupts`` strike at random; a lock that is taken in one call and guarded by the next ``try`` they
miss for a long time. Here each run of a call is cut off at the next place, until one comes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .warm import figures_of

if TYPE_CHECKING:
    from conftest import Children

# Python heeds signals when a function of its own begins and when one in C has returned: the events of sys.setprofile().
# In filelock's own account of forks they are passed over: what is cut off there is for filelock to mend.
SWEEP = """
import itertools
operation, step, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TOTAL = 1000
class Interrupt(BaseException):
    pass
def in_filelock(frame):
    while frame is not None and "filelock" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None
def cut_off_at(number, work):
    left, place = number, None
    def heed(frame, event, argument):
        nonlocal left, place
        if event not in ("call", "c_return") or frame.f_code is heed.__code__:
            return
        left -= 1
        if left <= 0 and not in_filelock(frame):
            sys.setprofile(None)
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            raise Interrupt
    sys.setprofile(heed)
    try:
        work()
    except Interrupt:
        pass
    finally:
        sys.setprofile(None)
    return place
numbers = itertools.count()
def opened():
    store = CheckpointStore(f"talks{next(numbers)}.db", durability="process", lock_timeout_seconds=5)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    job.complete(0, "before")
    return store, job
def complete(store, job, index):
    job.complete(index, "new")
def copy_the_log(store, job, index):
    store._room.database._log_bytes = 1 << 40
    job.complete(index, "new")
def write_the_state_file(store, job, index):
    store._room.state_file._due_at = 0
    job.complete(index, "new")
def complete_many(store, job, index):
    job.complete_many([(index, "new"), (TOTAL - index, "new")])
def read(store, job, index):
    job.progress()
    list(itertools.islice(job.results(), 3))
    job.result(0)
def work(store, job, index):
    for chunk in job.pending():
        chunk.complete("new")
        break
def throw_away(store, job, index):
    next(job.pending())
def fail(store, job, index):
    job.fail_chunk(index, "out of luck")
def run_map(store, job, index):
    for item in job.map(str):
        break
def pause(store, job, index):
    job.pause()
    job.resume()
def back_up(store, job, index):
    store.backup("copy.db")
def fork(store, job, index):
    child = os.fork()
    if child == 0:
        os._exit(0)
    ended(child)
def use(job, index, said):
    try:
        job.complete(TOTAL // 2 + index, "after")
        assert job.result(TOTAL // 2 + index) == "after"
        assert job.progress().completed_chunks > 1
        said.append(None)
    except BaseException as error:
        said.append(repr(error))
sys.unraisablehook = lambda _: None  # a hook or a finalizer that was cut off
warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside a thread that has ended
import logging; logging.disable()  # SQLAlchemy tells of connections whose end was cut off
points, broken, number = 0, [], 1
while points < most:
    store, job = opened()
    for index in range(1, 40):
        place = cut_off_at(number, lambda: globals()[operation](store, job, index))
        if place is None:
            break
        points, number, said = points + 1, number + step, []
        other = threading.Thread(target=use, args=(job, index, said), daemon=True)
        other.start()
        other.join(60)
        if said != [None]:
            broken.append([place, said])
            break
    else:
        assert list(job.results())[0] == "before"
        store.close()
        continue
    if place is None:
        store.close()
        break
    if not said:
        break  # it would hang again
print(json.dumps([points, broken]))
sys.stdout.flush()
os._exit(0)
"""
# Of how many places the short form takes one.
OPERATIONS = {
    "complete": 1,
    "copy_the_log": 1,
    "write_the_state_file": 31,
    "complete_many": 3,
    "read": 11,
    "work": 61,
    "throw_away": 61,
    "fail": 499,
    "run_map": 199,
    "pause": 97,
    "back_up": 7,
    "fork": 5,
}


def _sweep(children: Children, operation: str, step: int, most: int) -> None:
    points, broken = figures_of(children, SWEEP, operation, step, most)
    print(f"FIGURES every interrupt: operation={operation} points={points} step={step} broken={len(broken)}")
    assert points > 20
    assert broken == []


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("most", [100, pytest.param(400, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_place_leaves_a_store_that_works(children: Children, operation: str, most: int) -> None:
    """Every place of the shorter calls, and some of the longer ones."""
    _sweep(children, operation, OPERATIONS[operation] * 400 // most, most)


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_interrupt_at_each_place(children: Children, operation: str) -> None:
    """All of them."""
    _sweep(children, operation, 1, 100_000)
