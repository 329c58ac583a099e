"""Paid answers of COMMAND that a run could not read, because it was given a wrong name for the field of the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.run.command.unread_answer import OtherFormError, UnreadAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.task_records import Task

COPY_BEGINS: Final = "\nThe result was: "
"""What stands in a recorded error before the copy of an answer, which may fill many screens."""
_UNREAD: Final = tuple(f"{kind.__name__}: " for kind in (OtherFormError, UnreadAnswerError))
_NOT_WHOLE: Final = re.compile(r"\[redacted\]|\\0|… \([\d,]+ characters\)$")
"""What is in a copy that is not the very text that was printed."""
_FORM: Final = ("result_field", "raw")
"""The keys of a config that say how an answer is read, and nothing about the work."""


def kept_answers(store: CheckpointStore, job: Job, task: Task) -> dict[int, str]:
    """Return what COMMAND printed for chunks of a job, by index, and an earlier job could not read.

    The earlier job has the same input and the same settings, but for the options that say where the text of an answer
    stands. Where a person asked for the work to be done anew, there are none.
    """
    if task.settings["fresh"] or task.settings["on_change"] == "restart" or not job.progress().remaining_chunks:
        return {}
    kept: dict[int, str] = {}
    for other in store.jobs(file_name=task.file_name):
        is_other_form = other.config != job.config and _work(other.config) == _work(job.config)
        if is_other_form and _is_of(store, other, task):  # it identifies all chunks: most runs have no such job
            printed = ((attempt.chunk_index, _printed(attempt.error)) for attempt in other.attempts())
            kept = {index: text for index, text in printed if text is not None} | kept
    return kept


def _work(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _FORM}


def _is_of(store: CheckpointStore, other: Job, task: Task) -> bool:
    """Whether another job would go on with this input: it has the same chunks, model and provider."""
    settings = {**task.settings, "config": dict(other.config), "on_change": "refuse"}
    return store.plan(task.file_name, chunks=task.chunks, **settings).job_id == other.job_id


def _printed(error: str | None) -> str | None:
    """Return the text that COMMAND printed at a try; None unless a whole copy of it is in the error."""
    reason, _, printed = (error or "").partition(COPY_BEGINS)
    is_whole = any(kind in reason for kind in _UNREAD) and not _NOT_WHOLE.search(printed)
    return printed if printed and is_whole else None
