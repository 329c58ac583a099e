"""A call of the work that an interrupt ends, wherever it comes, leaves its thread free."""

from __future__ import annotations

import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from checkpoint_store.model.attempt import Attempt, call_as, jobs_worked_on_here, threads_at_work

if TYPE_CHECKING:
    from types import FrameType

ATTEMPT = Attempt("a-job", 0, 1, "a-key")


class Interrupt(BaseException):
    """Comes where a signal handler may raise."""


def is_cut_off(place: int) -> bool:
    """Call the work and interrupt it at this call or return of a function; return False where there are fewer."""
    left = place

    def heed(_: FrameType, event: str, __: Any) -> None:
        nonlocal left
        if event in ("call", "c_return"):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise Interrupt

    sys.setprofile(heed)
    try:
        call_as(ATTEMPT, str, 1)
    except Interrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_an_interrupted_call_leaves_its_thread_free() -> None:
    """In a notebook, the next loop over the job is not refused as one within its own work."""
    for place in count(1):
        cut_off = is_cut_off(place)
        assert (jobs_worked_on_here(), threading.get_ident() in threads_at_work()) == (frozenset(), False)
        if not cut_off:
            break
    assert place > 5
