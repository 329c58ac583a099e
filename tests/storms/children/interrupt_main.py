"""Interrupt the main thread at random moments of its calls."""

from __future__ import annotations

import random
import signal
import time

from storms.children.interrupting import acknowledged, before, job, judge, slow, store, wanted, watch


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
                for number, _ in enumerate(job.results(missing="skip")):
                    if number > 40:
                        break
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
