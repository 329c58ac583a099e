"""The inputs that ``report`` shows beside results: files, cut as ``run`` cut them, or the chunks themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.paths import job_name, printable
from checkpoint_store.cli.run.request import Request
from checkpoint_store.cli.screen import chunk_count
from checkpoint_store.cli.transcripts.reading.unreadable import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.split import UnknownTokenizerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.content import Content

_OF_RUN: Final = frozenset({"cleaner"})
"""The keys in the config of a job that ``run`` made."""


class UnusableInputError(Exception):
    """A file does not have the chunks of a job of the report; the message is one line."""


def inputs_of(
    store: CheckpointStore, jobs: Sequence[Job], paths: Iterable[Path], encoding: str | None
) -> dict[str, list[Any]]:
    """Return the chunks in these files by the id of their job.

    Raises:
        UnusableInputError: no job of the report was made of a file, or the file cannot be read.
    """
    by_job: dict[str, list[Any]] = {}
    for path in paths:
        name = job_name(path, store.path)
        made_of_it = [job for job in jobs if job.file_name == name and job.config.keys() >= _OF_RUN]
        if made_of_it:
            by_job |= _fitting(path, made_of_it, encoding)
        elif path.suffix.lower() in (".json", ".jsonl"):
            by_job[_only(jobs, path).job_id] = _listed(path)
        else:
            reason = "no job of the report is run's job of this file; name its JOB, or give its chunks as .jsonl"
            raise UnusableInputError(f"{printable(path)}: {reason}")
    return by_job


def _fitting(path: Path, jobs: Sequence[Job], encoding: str | None) -> dict[str, list[Any]]:
    """Return the chunks for each job that has as many chunks as the file: any other job was made of another text."""
    cut = {job.job_id: _cut_again(path, job, encoding) for job in jobs}
    fitting = {job.job_id: cut[job.job_id] for job in jobs if len(cut[job.job_id]) == job.total_chunks}
    if not fitting:
        now, before = len(cut[jobs[0].job_id]), jobs[0].total_chunks
        was = f"{chunk_count(now)} now, and had {before:,} for job {jobs[0].job_id[:8]}"
        raise UnusableInputError(f"{printable(path)} has {was}; it was changed since")
    return fitting


def _only(jobs: Sequence[Job], path: Path) -> Job:
    if len(jobs) != 1:
        reason = f"it has the chunks of one job, and the report has {len(jobs)}; name the JOB"
        raise UnusableInputError(f"{printable(path)}: {reason}")
    return jobs[0]


def _listed(path: Path) -> list[Any]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        chunks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableInputError(f"{printable(path)} cannot be read as JSON: {error}") from error
    if isinstance(chunks, dict):
        return list(chunks.values())
    if not isinstance(chunks, list):
        raise UnusableInputError(f"{printable(path)} is no JSON array of chunks, and no object of keys and chunks")
    return chunks


def _cut_again(path: Path, job: Job, encoding: str | None) -> list[Any]:
    """Return what identified the chunks of a job of ``run``, which holds their texts."""
    config = job.config
    has_command = not isinstance(config["cleaner"], str)
    request = Request(
        files=(path,),
        command=tuple(config["cleaner"]) if has_command else (),
        split=config.get("split", "text"),
        chunk_size=config.get("chunk_size", 0),
        unit=config.get("unit", "characters"),
        tokenizer=config.get("tokenizer"),
        overlap=config.get("overlap", 0),
        title=None,
        model=None,
        provider=None,
        language=config.get("language"),
        encoding=encoding,
        plain_text="reader" not in config,
        result_field=None,
        raw=False,
        sequential=job.sequential,
        output=None,
        force=False,
        store_path="",
        on_change="refuse",
        reuse_ignoring=(),
        fresh=False,
    )
    try:
        content: Content = request.read(path)
    except (UnreadableTranscriptError, UnknownTokenizerError) as error:
        raise UnusableInputError(str(error)) from error
    identify = content.fingerprint if not has_command else (lambda chunk: chunk.content)
    return [identify(chunk) for chunk in content.chunks]
