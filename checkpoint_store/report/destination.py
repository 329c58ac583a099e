"""Which file a report may replace: no file of anybody else, and no report of jobs that the store does not have."""

from __future__ import annotations

import os
import re
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from checkpoint_store import ReportTargetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store import CheckpointStore

MARK: Final = "checkpoint-store-report"
"""The name of the ``meta`` element that lists the jobs of a report."""
_MARKED: Final = re.compile(
    rb'<!doctype html>\n<html lang="en">\n<head>\n<meta name="%s" content="([0-9a-f ]*)">' % MARK.encode()
)
_SUFFIXES: Final = (".html", ".htm")
_MARK_SEARCH_BYTES_MAX: Final = 4 * 1024 * 1024
_REMEDY: Final = "name another file, or replace it with replace=True"


def refuse_to_replace(store: CheckpointStore, path: Path, *, replace: bool) -> None:
    """Raise :class:`ReportTargetError` unless a report of the store may be put at ``path``. Nothing is written.

    An existing file is replaced if it is empty, or a report of jobs that this store still has, because that report can
    be made again. With ``replace``, any regular file is replaced that belongs to no store.
    """
    if path.suffix.lower() not in _SUFFIXES:  # a file that may be a store in use is not even opened
        raise ReportTargetError(path, "its name has to end with .html, because browsers go by that")
    if not path.parent.is_dir():
        raise ReportTargetError(path, f"there is no folder {path.parent}; create it first")
    owner = store.owner_of(path)
    if owner is not None:
        raise ReportTargetError(path, f"it belongs to the store {owner}; name another file")
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReportTargetError(path, f"{error.strerror}; name another file") from error
    if not stat.S_ISREG(status.st_mode):
        raise ReportTargetError(path, "it is there and is no regular file; name another file")
    if store.path.exists() and os.path.samestat(status, store.path.stat()):
        raise ReportTargetError(path, f"it is the store {store.path}; name another file")
    if not replace and status.st_size:
        _refuse_unless_report(path, {name_in_mark(job.job_id) for job in store.summaries()})


def name_in_mark(job_id: str) -> str:
    """Return how the mark of a report names a job: an id that was imported may hold any character."""
    return sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _refuse_unless_report(path: Path, known: Iterable[str]) -> None:
    try:
        with path.open("rb") as file:
            marked = _MARKED.match(file.read(_MARK_SEARCH_BYTES_MAX))
    except OSError as error:
        raise ReportTargetError(path, f"it is there and cannot be read ({error.strerror}); {_REMEDY}") from error
    if marked is None:
        raise ReportTargetError(path, f"it is there and is no report; {_REMEDY}")
    gone = set(marked[1].decode().split()).difference(known)
    if gone:
        jobs = "a job" if len(gone) == 1 else f"{len(gone):,} jobs"
        raise ReportTargetError(path, f"it is a report of {jobs} that this store does not have; {_REMEDY}")
