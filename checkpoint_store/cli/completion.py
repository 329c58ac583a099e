"""The names of jobs that a shell offers for JOB when a person presses Tab."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Final

from click.shell_completion import CompletionItem

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.paths import on_one_line
from checkpoint_store.errors import CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import JobSummary

_ID_LENGTH: Final = 8
_LOCK_TIMEOUT_SECONDS: Final = 0.5
_ONE_WORD: Final = re.compile(r"[\w./@%+=,-]+")
"""A name that a shell takes as a single word without quotes. A job with any other name is offered by its id."""


def jobs_of(store_path: str, incomplete: str) -> list[CompletionItem]:
    """Return the file names and the id prefixes of the store's jobs that begin with a text, the newest job first.

    The store is only read. Without a readable store, nothing is offered: a message within a line helps nobody.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with CheckpointStore(store_path, read_only=True, lock_timeout_seconds=_LOCK_TIMEOUT_SECONDS) as store:
                summaries = store.summaries()
    except (CheckpointStoreError, OSError):
        return []
    offered = {value: help_text for value, help_text in _offers(summaries) if value.startswith(incomplete)}
    return [CompletionItem(value, help=help_text) for value, help_text in offered.items()]


def _offers(summaries: list[JobSummary]) -> Iterator[tuple[str, str]]:
    for job in summaries:
        if _ONE_WORD.fullmatch(job.file_name):
            yield job.file_name, "the newest job of this file"
    for job in summaries:
        yield job.job_id[:_ID_LENGTH], f"{on_one_line(job.file_name)}, {job.shown_status}"
