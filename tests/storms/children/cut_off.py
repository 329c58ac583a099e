"""Cut off a call of the library at each place where Python heeds an interrupt, and use the same store afterwards."""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import threading
import warnings
from functools import partial

from storms.forking import ended

from checkpoint_store import CheckpointStore

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


FOLDER = os.getcwd()


def opened():
    folder = os.path.join(FOLDER, str(next(numbers)))  # an operation that lists its folder would see all other stores
    os.mkdir(folder)
    os.chdir(folder)
    store = CheckpointStore("talks.db", durability="process", lock_timeout_seconds=5)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    job.complete(0, "before")
    return store, job


def complete(store, job, index):
    job.complete(index, "new")


def copy_the_log(store, job, index):
    store._context.storage.database.writer.checkpoint.wal_bytes = 1 << 40
    job.complete(index, "new")


def write_the_state_file(store, job, index):
    store._context.state_file._pace._due_at = 0
    job.complete(index, "new")


def complete_many(store, job, index):
    job.complete_many([(index, "new"), (TOTAL - index, "new")])


def read(store, job, index):
    job.progress()
    list(itertools.islice(job.results(missing="skip"), 3))
    job.result(0)


def work(store, job, index):
    for chunk in job.pending():
        chunk.complete("new")
        break


def work_on(store, job, index):
    for chunk in itertools.islice(job.pending(), 4):  # from the third on, each is claimed with the one before
        chunk.complete("new")


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
    store.backup("copy.db", replace=True)


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
logging.disable()  # SQLAlchemy tells of connections whose end was cut off
points, broken, number = 0, [], 1
while points < most:
    store, job = opened()
    for index in range(1, 40):
        place = cut_off_at(number, partial(globals()[operation], store, job, index))
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
        assert next(job.results(missing="skip")) == "before"
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
