"""What the tests of open job share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoint_store import Job


def work_through(job: Job) -> list[Any]:
    """Complete what is pending; return what was worked on."""
    done = []
    for chunk in job.pending():
        chunk.complete({"text": chunk.data.upper()})
        done.append(chunk.data)
    return done
