"""The work on one chunk: the cleaner is called, and its answer, also one that cannot be read, is kept."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import current_attempt
from checkpoint_store.cli.run.command.answer import TEXT_FIELD, OtherFormError, UnreadAnswerError
from checkpoint_store.cli.run.command.failures import CommandFailedError
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.errors import Difference, PlanChanged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store import CheckpointStore, Job, JobSummary, RunPlan
    from checkpoint_store.cli.run.task_records import Clean, Task
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.split import TextChunk
    from checkpoint_store.errors import CostUnknown


COPY_BEGINS: Final = "\nThe result was: "
"""What stands in a recorded error before the copy of an answer, which may fill many screens."""
_UNREAD: Final = tuple(f"{kind.__name__}: " for kind in (OtherFormError, UnreadAnswerError))
_NOT_WHOLE: Final = re.compile(r"\[redacted\]|\\0|… \([\d,]+ characters\)$")
"""What is in a copy that is not the very text that was printed."""
_FORM: Final = ("result_field", "raw")
"""The keys of a config that say how an answer is read, and nothing about the work."""


def with_results_of_links(
    store: CheckpointStore, store_path: Path, task: Task, plan: RunPlan, cost: str = "cost"
) -> tuple[Task, RunPlan, str | None]:
    """Let a file that the store knows by another name (a link leads to it) take over the results of that name.

    The store of a trial is elsewhere than ``store_path``.

    Returns:
        The work, its plan, and the other name. All is as it was, and the name is None, if the store knows no other name
        of the file, or if the caller said what happens.
    """
    settings = task.settings
    if not plan.kept_elsewhere or plan.action != "new" or settings["fresh"] or settings["on_change"] != "refuse":
        return task, plan, None
    folder = Path(os.path.realpath(store_path.parent))
    for name in dict.fromkeys(job.file_name for job in store.summaries()):
        with suppress(OSError, ValueError):  # the file of that job is gone, or its name is none
            if name != task.file_name and (folder / name).samefile(task.path):
                task = dataclasses.replace(task, settings={**settings, "on_change": "reuse"})
                return task, store.plan(task.file_name, chunks=task.chunks, cost=cost, **task.settings), name
    return task, plan, None


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


def read_otherwise(store: CheckpointStore, task: Task) -> PlanChanged | None:
    """Return why a run is refused although its job goes on: that job has no result, and another job has them.

    The other job differs only in where the text of an answer stands, so that going on would pay for each answer again.
    It was opened later: a job that was opened last goes on, because somebody asked for it beside those answers.
    """
    settings, config = task.settings, task.settings["config"]
    if settings["fresh"] or settings["on_change"] != "refuse":
        return None
    jobs = store.summaries(file_name=task.file_name)  # the job opened last is first
    other = next((job for job in jobs if _has_answers_for(config, job)), None)
    if other is None:
        return None
    plan = store.plan(task.file_name, chunks=task.chunks, **settings)
    order = [job.job_id for job in jobs]
    if plan.action != "resume" or plan.kept or order.index(str(plan.job_id)) < order.index(other.job_id):
        return None
    pairs = {f"config.{name}": (other.config.get(name), config.get(name)) for name in _FORM}
    differences = [Difference(name, *map(_setting_text, pair)) for name, pair in pairs.items() if pair[0] != pair[1]]
    names = tuple(difference.field for difference in differences)
    reuse = {**settings, "on_change": "reuse", "reuse_ignoring": (*settings["reuse_ignoring"], *names)}
    kept = store.plan(task.file_name, chunks=task.chunks, **reuse).kept
    return PlanChanged(task.file_name, other.job_id, differences, 0, choices=[(names, kept)]) if kept else None


def _setting_text(setting: object) -> str:
    return "(absent)" if setting is None else repr(setting)


def _has_answers_for(config: Mapping[str, Any], job: JobSummary) -> bool:
    """Whether a job has results of the same work, and took the text from another place of each answer."""
    return bool(job.progress.completed_chunks) and job.config != config and _work(job.config) == _work(config)


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


class Work:
    """The function for ``Job.map``; threads may call it at the same time.

    What COMMAND says on standard error waits until its answer is recorded: the answer is paid for.
    """

    def __init__(self, task: Task, clean: Clean) -> None:
        self._task, self._clean = task, clean
        self._words: dict[int, str] = {}
        """What COMMAND wrote to standard error beside an answer and is not shown yet, by chunk."""

    def __call__(self, chunk: TextChunk) -> dict[str, Any]:
        """Return the result for a chunk.

        Raises:
            CommandFailedError, UnreadAnswerError: COMMAND gave no answer, or printed something else.
        """
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
