"""Raise an exception in threads at random moments of their calls."""

from __future__ import annotations

import ctypes
import random
import threading
import time

from storms.children.interrupting import acknowledged, before, job, judge, slow, store, wanted, watch


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
    interrupts += raise_in(ctypes.c_ulong(random.choice(threads).ident or 0), ctypes.py_object(Stop))
running[0] = False
for thread in threads:
    watch()
    thread.join()
judge(store, job, interrupts, acknowledged, before)
