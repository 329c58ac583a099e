"""An interrupt in the middle of ``pending``, wherever it comes, holds no chunk."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING, Any

from checkpoint_store.execution import pending

if TYPE_CHECKING:
    from types import FrameType

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

FILES = {pending.__file__}


class Interrupt(BaseException):
    """Comes where a signal handler may raise."""


def is_cut_off(job: Job, place: int) -> bool:
    """Ask for a chunk and interrupt that at this place of the loop's own files; return False where there are fewer."""
    left, loop = place, job.pending()

    def heed(frame: FrameType, event: str, __: Any) -> None:
        nonlocal left
        is_in_finalizer = frame.f_code.co_name in ("__del__", "_runs_event_loop")  # Python drops an interrupt there
        if event in ("call", "c_return") and frame.f_code.co_filename in FILES and not is_in_finalizer:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise Interrupt

    sys.setprofile(heed)
    try:
        next(loop)
    except Interrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_an_interrupt_anywhere_in_the_loop_leaves_every_chunk_free(store: CheckpointStore, open_store: Opener) -> None:
    """Another runner gets each chunk at once, and after the next loop nobody is at work: nothing waits for the close."""
    other = open_store()
    for place in count(1):
        job = store.open_job(f"talk{place}.srt", total_chunks=3)
        cut_off = is_cut_off(job, place)
        assert [chunk.index for chunk in other.job(job.job_id).pending()] == [0, 1, 2], place
        assert [chunk.index for chunk in job.pending()] == [0, 1, 2], place
        assert not other.job(job.job_id).is_active, place
        if not cut_off:
            break
    assert place > 10
