"""The events of a loop, which ``on_event`` gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["started", "retried", "completed", "failed", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEvent:
    """One thing that happened in a ``map`` or ``amap``.

    A try that ``started`` ends with one ``completed``, ``retried`` or ``failed``, unless the loop ends before it. A
    result that comes after its time-out is ``completed``, too, after the ``retried`` or ``failed`` of its time-out. A
    chunk that waits for its next try, and that another call has completed, is ``completed`` without that try.
    """

    kind: EventKind
    """The kind of the event.

    ``started``: a try at a chunk begins. The same try starts again where an executor broke, or never got to it.
    ``completed``: the chunk is complete, and its result durable (where another runner was first, that runner's result).
    ``retried``: the try failed, and the chunk waits for its next try.
    ``failed``: the try failed, and this loop does not try the chunk again.
    ``paused``: the loop has ended, and chunks are left; what it had in hand is recorded. It is the last event.
    """
    index: int | None = None
    """The chunk, 0-based; None for ``paused``."""
    key: str | int | None = None
    """The caller's key of the chunk, as it was given, if the job was opened with a mapping."""
    attempt: int | None = None
    """The number of the try, from 1, over all runs; None for ``paused``."""
    cost: float | None = None
    """The cost of the try; None if neither its result nor its error has a cost."""
    seconds: float | None = None
    """How long the try took; None for ``started`` and ``paused``, and for a try that was no longer needed."""
    error: str | None = None
    """Why the try failed, or why the loop paused, as the store keeps it: without secrets."""
