"""The content of a report, read from the store through its public calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from checkpoint_store import InvalidArgumentError, Job, JobNotFound
from checkpoint_store.report import facts as job_facts
from checkpoint_store.report.facts import Completions, Sums, attempt_columns
from checkpoint_store.report.texts import PageRoom, TextBlocks, checked_inputs, shown_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store import AttemptRecord, CheckpointStore, ChunkRecord, CompletionRecord, JobSummary
    from checkpoint_store.report.destination import Options


@dataclass(frozen=True, slots=True)
class JobPart:
    """The part of the page about one job."""

    facts: dict[str, Any]
    columns: dict[str, Any]
    """The columns of its chunks and attempts; empty if they do not fit into the page."""
    texts: dict[int, str]
    """JSON texts of results and inputs, by block."""


def jobs_of(store: CheckpointStore, wanted: Iterable[Job | str] | None) -> list[Job]:
    """Return the jobs of a report, each once: those that are named, or all, the one opened last first."""
    if wanted is not None and (isinstance(wanted, str) or not isinstance(wanted, Iterable)):
        raise InvalidArgumentError("jobs", wanted, "is no list of jobs, ids or file names")
    named = store.jobs() if wanted is None else [job if isinstance(job, Job) else store.job(job) for job in wanted]
    return list({job.job_id: job for job in named}.values())


def collected(store: CheckpointStore, jobs: Sequence[Job], options: Options) -> list[JobPart]:
    """Return the part of the page about each job."""
    inputs = _inputs_by_job(jobs, options)
    everything = store.summaries()
    summaries = {summary.job_id: summary for summary in everything}
    changes = _changes_by_job(everything)
    room = PageRoom(options.text_bytes_max, options.rows_max)
    parts = []
    for job in jobs:
        if job.job_id not in summaries:
            raise JobNotFound(job.job_id, store.path)
        part = _part(job, summaries[job.job_id], inputs.get(job.job_id), room, options.cost)
        part.facts["changes"] = changes.get(job.job_id)
        part.facts["lines"] = job_facts.lines(summaries[job.job_id], store.path)
        parts.append(part)
    return parts


def _inputs_by_job(jobs: Sequence[Job], options: Options) -> dict[str, tuple[list[Any], bool]]:
    by_job = {}
    for name, given in (options.inputs or {}).items():
        job = next((job for job in jobs if name in (job.job_id, job.file_name)), None)
        if job is None:
            raise InvalidArgumentError("inputs", name, "is neither the id nor the file name of a job of this report")
        by_job[job.job_id] = checked_inputs(job, given)
    return by_job


def _part(
    job: Job, summary: JobSummary, inputs: tuple[list[Any], bool] | None, room: PageRoom, cost_path: str
) -> JobPart:
    facts = job_facts.job_facts(job, summary)
    marks = job_facts.marks(job, summary)
    origin_ms = facts["started_at"]
    is_detailed = room.takes_rows(2 * summary.progress.total_chunks)
    completions, texts, sums = Completions(origin_ms), TextBlocks(room), Sums(cost_path)
    for completion, result in _with_results(job):
        cost = sums.add(completion, result)
        if is_detailed:
            completions.add(completion, cost)
            texts.add("results", completion.chunk_index, result)
    chunks, agree = inputs or ([], True)
    for index, chunk in enumerate(chunks if is_detailed else ()):
        texts.add("inputs", index, shown_input(chunk))
    attempts = list(islice(job.attempts(), room.rows)) if is_detailed else []
    room.takes_rows(max(0, len(attempts) - summary.progress.total_chunks))
    facts |= job_facts.costs(job.costs(cost_path), sums, _reserved(marks["in_doubt"], attempts))
    given = "none" if inputs is None else "given" if agree else "doubtful"
    facts |= {"left_out": texts.left_out, "is_detailed": is_detailed, "inputs": given}
    columns: dict[str, Any] = {
        "marks": {name: [record.chunk_index for record in records] for name, records in marks.items()},
        "handles": {mark.chunk_index: mark.handle for records in marks.values() for mark in records if mark.handle},
    }
    if to_redo := job.to_redo():
        columns["redo"] = to_redo
    if is_detailed:
        columns["keys"] = job.keys()
        columns |= {"completions": completions.as_json(), "attempts": attempt_columns(attempts, origin_ms)}
    else:
        columns["ranges"] = job.completed_ranges()
    return JobPart(facts, columns, texts.as_json())


def _with_results(job: Job) -> Iterator[tuple[CompletionRecord, Any]]:
    """Yield each completed chunk with its result; None if it was completed without a result."""
    items = job.items()
    index, result = next(items, (-1, None))
    for completion in job.completions():
        while 0 <= index < completion.chunk_index:  # it was completed since the page of completions was read
            index, result = next(items, (-1, None))
        yield completion, result if index == completion.chunk_index else None


def _reserved(doubtful: Iterable[ChunkRecord], attempts: Iterable[AttemptRecord]) -> list[float | None]:
    last = {
        (attempt.chunk_index, attempt.attempt): attempt.reserved_cost
        for attempt in attempts
        if attempt.outcome == "abandoned"
    }
    return [last.get((record.chunk_index, record.attempt)) for record in doubtful]


def _changes_by_job(summaries: Sequence[JobSummary]) -> dict[str, dict[str, Any]]:
    """Return how each job differs from the job of the same file that was opened before it, by job id.

    ``summaries`` are all jobs of the store, the one opened last first.
    """
    by_file: dict[str, list[JobSummary]] = defaultdict(list)
    for summary in summaries:
        by_file[summary.file_name].append(summary)
    return {
        later.job_id: {"earlier": earlier.job_id, "fields": list(_differences(earlier, later))}
        for jobs in by_file.values()
        for later, earlier in pairwise(jobs)
    }


def _differences(earlier: JobSummary, later: JobSummary) -> Iterator[dict[str, Any]]:
    before, after = _plan(earlier), _plan(later)
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield {"field": name, "before": before.get(name), "after": after.get(name)}


def _plan(summary: JobSummary) -> dict[str, Any]:
    fields = {
        "chunks": summary.progress.total_chunks,
        "model": summary.model,
        "provider": summary.provider,
        "title": summary.video_title,
    }
    return fields | {f"config.{name}": value for name, value in summary.config.items()}
