"""Which job a command is about: JOB is an id, the beginning of an id, a file, or left out for the newest job."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from checkpoint_store.cli.paths import job_name, shell_words
from checkpoint_store.cli.typed_line import typed_line
from checkpoint_store.errors import JobNotFound

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job


def chosen_job(store: CheckpointStore, job: str | None) -> Job:
    """Return the job that JOB names; None is the job that was opened last.

    Raises:
        click.ClickException: nothing is named, and the store has no job.
        JobNotFound: no job, or more than one, is named so; the message has the file name that is most like it.
    """
    if job is None:
        newest = store.latest_job()
        if newest is None:
            begin = typed_line(["run"], store.path, "FILE")
            raise click.ClickException(f"{store.path} has no job yet; begin one with: {begin}")
        return newest
    try:
        return store.job(job)
    except JobNotFound as error:
        names = set() if error.matches else {summary.file_name for summary in store.summaries()}
        path_name = job_name(Path(job), store.path)  # JOB is perhaps a path: ``./-talk.txt``, or what a shell completed
        if path_name in names:
            return store.job(path_name)
        name = _most_like(job, names)
        if name is not None:
            # On a line of its own: the line to type is before it.
            error.args = (f"{str(error).removesuffix('.')}\nDid you mean {shell_words([name])}?",)
        raise


def job_to_delete(store: CheckpointStore, job: str | None) -> Job:
    """Return the job that JOB names, as :func:`chosen_job` does, but by eight characters of its id or more."""
    chosen = chosen_job(store, job)
    if job is not None and chosen.file_name != job:
        JobNotFound.refuse_short(job, chosen.job_id, store.path)
    return chosen


def _most_like(job: str, names: set[str]) -> str | None:
    """Return the file name that JOB perhaps meant: this name in a folder, or a name with nearly its letters."""
    same = sorted(name for name in names if PurePath(name).name == PurePath(job).name)
    return next(iter(same or get_close_matches(job, sorted(names), n=1)), None)
