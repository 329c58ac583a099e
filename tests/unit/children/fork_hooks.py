"""Fork once, with a hook of each order; say who was called when, in both processes."""

from __future__ import annotations

import os
import sys

from checkpoint_store.system.forks import ForkAware, ForkOrder, at_fork, watch

failing = sys.argv[1]


def say(when: str, who: str) -> None:
    os.write(1, f"{when} {who}\n".encode())
    if failing == who:
        raise ValueError("on purpose")


class Aware(ForkAware):
    def before_fork(self) -> None:
        say("before", "object")

    def after_fork(self) -> None:
        say("parent", "object")

    def forget_in_child(self) -> None:
        say("child", "object")


def hooks(order: ForkOrder, who: str) -> None:
    at_fork(
        order,
        before=lambda: say("before", who),
        after_in_parent=lambda: say("parent", who),
        after_in_child=lambda: say("child", who),
    )


hooks(ForkOrder.WORKERS, "workers")  # not in the order in which they run
hooks(ForkOrder.SIGNALS, "signals")
aware = Aware()
watch(aware)
child = os.fork()
if child == 0:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
