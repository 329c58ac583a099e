"""The refusal of a loop over a job inside of the work on a chunk of that job."""

from __future__ import annotations

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.attempt import jobs_worked_on_here


def refuse_nested(job_id: str, method: str) -> None:
    """Refuse a loop over a job inside of the work on one of its chunks: the loop would wait for that chunk for ever.

    Raises:
        InvalidArgumentError: the calling code is the work on a chunk of this job.
    """
    if job_id in jobs_worked_on_here():
        remedy = f"is worked on by the very call that asks for {method}(), which would wait for itself for ever"
        raise InvalidArgumentError("job", job_id, f"{remedy}: return the result from fn, or open another job")
