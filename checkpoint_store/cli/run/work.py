"""The work on one chunk: the cleaner is called, and its answer, also one that cannot be read, is kept."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import current_attempt
from checkpoint_store.cli.run.command.answer import TEXT_FIELD, OtherFormError, UnreadAnswerError
from checkpoint_store.cli.run.command.outcome import CommandFailedError
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.run.opening import differ_in_form

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.task_records import Clean, Task
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.split import TextChunk
    from checkpoint_store.errors import CostUnknown


COPY_BEGINS: Final = "\nThe result was: "
"""What stands in a recorded error before the copy of an answer, which may fill many screens."""
_UNREAD: Final = tuple(f"{kind.__name__}: " for kind in (OtherFormError, UnreadAnswerError))
_NOT_WHOLE: Final = re.compile(r"\[redacted\]|\\0|… \([\d,]+ characters\)$")
"""What is in a copy that is not the very text that was printed."""


def kept_answers(store: CheckpointStore, job: Job, task: Task) -> dict[int, str]:
    """Return what COMMAND printed for chunks of a job, by index, and an earlier job could not read.

    The earlier job has the same input and the same settings, but for the options that say where the text of an answer
    stands. Where a person asked for the work to be done anew, there are none.
    """
    if task.settings["fresh"] or task.settings["on_change"] == "restart" or not job.progress().remaining_chunks:
        return {}
    kept: dict[int, str] = {}
    for other in store.jobs(file_name=task.file_name):
        if differ_in_form(other.config, job.config) and _is_of(
            store, other, task
        ):  # it identifies all chunks: most runs have no such job
            printed = ((attempt.chunk_index, _printed(attempt.error)) for attempt in other.attempts())
            kept = {index: text for index, text in printed if text is not None} | kept
    return kept


def _is_of(store: CheckpointStore, other: Job, task: Task) -> bool:
    """Whether another job would go on with this input: it has the same chunks, model and provider."""
    settings = {**task.settings, "config": dict(other.config), "on_change": "refuse"}
    return store.plan(task.file_name, chunks=task.chunks, **settings).job_id == other.job_id


def _printed(error: str | None) -> str | None:
    """Return the text that COMMAND printed at a try; None unless a whole copy of it is in the error."""
    reason, _, printed = (error or "").partition(COPY_BEGINS)
    is_whole = any(kind in reason for kind in _UNREAD) and not _NOT_WHOLE.search(printed)
    return printed if printed and is_whole else None


class Work:
    """The function for ``Job.map``; threads may call it at the same time.

    What COMMAND says on standard error waits until its answer is recorded: the answer is paid for.
    """

    def __init__(self, task: Task, clean: Clean) -> None:
        self._task, self._clean = task, clean
        self._words: dict[int, str] = {}
        """What COMMAND wrote to standard error beside an answer and is not shown yet, by chunk."""

    def __call__(self, chunk: TextChunk) -> dict[str, Any]:
        """Return the result for a chunk."""
        index, started = current_attempt().chunk_index, time.monotonic()
        try:
            fields, stderr = self._read_again(index, chunk) or self._clean(chunk, self._task.variables(chunk))
        except (CommandFailedError, UnreadAnswerError) as error:
            error.chunk_index = index
            raise
        if stderr:
            self._words[index] = stderr
        return _result(index, chunk, fields, time.monotonic() - started)

    def _read_again(self, index: int, chunk: TextChunk) -> tuple[dict[str, Any], str] | None:
        """Return the answer of an earlier run that could not read it, if this run can; it was paid for."""
        printed = self._task.kept.get(index)
        if printed is None or not isinstance(self._clean, Command):
            return None
        fields = self._clean.read_again(chunk, printed)
        return None if fields is None else (fields, "")

    def show_words(self, screen: Screen, index: int | None = None) -> None:
        """Print what COMMAND wrote to standard error beside the answer for a chunk; None: for all chunks."""
        for chunk_index in list(self._words) if index is None else [index]:
            if (words := self._words.pop(chunk_index, None)) is not None:
                screen.note(words, style="dim")


_MEASURED: Final = ("seconds", "characters_in", "characters_out")
"""The fields of a result that are no part of an answer, beside the index of the chunk."""


def cost_unknown_text(error: CostUnknown) -> str:
    """Return why the cost of a result cannot be read, and what it has instead; or that COMMAND prints no JSON."""
    if error.value is None and set(error.fields) <= {"chunk_index", TEXT_FIELD, *_MEASURED}:
        return (
            f"COMMAND printed the text of chunk {error.chunk_index} alone, which is kept; it has to print a JSON "
            f"object with {TEXT_FIELD!r} and {error.field!r}"
        )
    wrong = f"has no {error.field!r}" if error.value is None else f"has {error.value} as {error.field!r}"
    has = f" (it has {', '.join(error.fields)})" if error.fields else ""
    return f"the result of chunk {error.chunk_index}, which is kept, {wrong}{has}"


def _result(index: int, chunk: TextChunk, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    measures = (round(seconds, 3), len(chunk.text), len(fields[TEXT_FIELD]))
    measured = {TEXT_FIELD: "", **dict(zip(_MEASURED, measures, strict=True))}
    # The program cannot change the index, by which results are paired with chunks.
    return {"chunk_index": index} | measured | fields | {"chunk_index": index}
