"""The options of a report, and which file it may replace: no file of anybody else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import InvalidArgumentError, ReportTargetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store import CheckpointStore


TEXT_BYTES_MAX: Final = 16 * 1024 * 1024
ROWS_MAX: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a report: what it shows, and how much of it. See :func:`checkpoint_store.report.write`."""

    inputs: Mapping[str, Iterable[Any]] | None = None
    """The chunks of jobs, by job id or file name; a mapping of keys to chunks counts by its values."""
    cost: str = "cost"
    """The field of the results, or the dotted path, that holds the cost."""
    text_bytes_max: int = TEXT_BYTES_MAX
    """How much text of results and inputs the page holds, in bytes of JSON."""
    rows_max: int = ROWS_MAX
    """How many completed chunks and attempts the page tells one by one."""

    def __post_init__(self) -> None:
        """Check the values; an error names the option that has a wrong one."""
        cost: object = self.cost
        if not isinstance(cost, str) or '"' in cost or not all(cost.split(".")):
            raise InvalidArgumentError("cost", self.cost, "is neither a field of the results, nor a dotted path")
        for name in ("text_bytes_max", "rows_max"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise InvalidArgumentError(name, value, "is not a whole number from 0")
        if self.inputs is not None and not isinstance(self.inputs, Mapping):
            raise InvalidArgumentError("inputs", ..., "is no mapping of job ids or file names to chunks")


MARK: Final = "checkpoint-store-report"
"""The name of the ``meta`` element that lists the jobs of a report."""
_MARKED: Final = re.compile(
    rb'<!doctype html>\n<html lang="en">\n<head>\n<meta name="%s" content="([0-9a-f ]*)">' % MARK.encode()
)
_SUFFIXES: Final = (".html", ".htm")
_MARK_SEARCH_BYTES_MAX: Final = 4 * 1024 * 1024
_REMEDY: Final = "name another file, or replace it with replace=True"


def report_path(given: object) -> Path:
    """Return the absolute path of a report. A relative path is refused where the working folder was removed."""
    name = os.fsdecode(given) if isinstance(given, str | bytes | os.PathLike) else ""
    if not name or "\0" in name:
        raise ReportTargetError(given, "give the path of a file")
    try:
        return Path(name).absolute()
    except FileNotFoundError as error:
        raise ReportTargetError(name, "the working folder was removed; give an absolute path") from error


def refuse_to_replace(store: CheckpointStore, path: Path, *, replace: bool) -> None:
    """Raise :class:`ReportTargetError` unless a report of the store may be put at ``path``. Nothing is written.

    An existing file is replaced if it is empty, or a report of jobs that this store still has, because that report can
    be made again. With ``replace``, any regular file is replaced that belongs to no store.
    """
    if not isinstance(replace, bool):
        raise InvalidArgumentError("replace", replace, "is neither True nor False")
    if path.suffix.lower() not in _SUFFIXES:  # a file that may be a store in use is not even opened
        raise ReportTargetError(path, "its name has to end with .html, because browsers go by that")
    if not _is_folder(path.parent, path):
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


def _is_folder(folder: Path, path: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError as error:  # this user may not look, or a name is too long
        raise ReportTargetError(path, f"{error.strerror}; name another file") from error


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
