"""Add an object while another one comes to rest before a fork, and one when all rest; print what happens to them."""

from __future__ import annotations

import os
import threading
import warnings


def add_when_all_rest() -> None:
    adding.start()
    adding.join(0.2)
    print("waits for the fork:", adding.is_alive(), flush=True)


os.register_at_fork(before=add_when_all_rest)  # registered first, so it is called last

from checkpoint_store.system.forks import ForkAware, watch  # noqa: E402 - its hook has to be the second

# Python 3.12 and later warn of a fork beside a thread; what comes of such a fork is what is looked at here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)


class Aware(ForkAware):
    def before_fork(self) -> None:
        print("rests", flush=True)
        if self is first:
            adder = threading.Thread(target=watch, args=(second,))
            adder.start()
            adder.join()


first, second, third = Aware(), Aware(), Aware()
adding = threading.Thread(target=watch, args=(third,))
watch(first)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
adding.join()
print("added")
