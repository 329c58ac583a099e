"""Options and helpers that several commands share; JOB is an id, the beginning of an id, a file, or left out."""

from __future__ import annotations

import math
import os
import re
import warnings
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from checkpoint_store import CheckpointStore, CheckpointStoreError, StoreTargetError
from checkpoint_store.cli.messages import names_copy
from checkpoint_store.cli.paths import (
    DEFAULT_STORE,
    STORE_VARIABLE,
    job_name,
    on_one_line,
    printable,
    shell_words,
    typed_line,
)
from checkpoint_store.errors import JobNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store import Job, JobSummary


_ID_LENGTH: Final = 8
_LOCK_TIMEOUT_SECONDS: Final = 0.5
_ONE_WORD: Final = re.compile(r"[\w./@%+=,-]+")
"""A name that a shell takes as a single word without quotes. A job with any other name is offered by its id."""


class FiniteNumber(click.FloatRange):
    """A finite number, above 0 or in ``bounds``. The range of click lets NaN through, and its message says ``x>0``."""

    def __init__(self, other_kind: str = "not a number above 0", **bounds: Any) -> None:
        super().__init__(**bounds or {"min": 0, "min_open": True})
        self._other_kind = other_kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; show a usage error for anything else."""
        number = math.nan
        with suppress(click.BadParameter):
            number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is {self._other_kind}.", param, ctx)
        return number


NO_LIMIT: Final = "none"


class FiniteNumberOrNone(FiniteNumber):
    """A finite number above 0, or the word ``none``, which takes a limit back."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or :data:`NO_LIMIT`; show a usage error for anything else."""
        return NO_LIMIT if value == NO_LIMIT else super().convert(value, param, ctx)


class WholeNumber(click.IntRange):
    """A whole number in a range. The range of click calls a word that is no number "not a valid integer range"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; show a usage error for anything else."""
        try:
            number = int(value)
        except ValueError:
            number = -1
        low, high = int(self.min or 0), math.inf if self.max is None else int(self.max)
        if not low <= number <= high:
            until = "" if self.max is None else f" to {self.max:,}"
            self.fail(f"{value} is no whole number from {low}{until}.", param, ctx)
        return number


def sibling_of(store_path: Path, suffix: str) -> Path:
    """Return the file of this suffix beside a store: ``talk.json`` of ``talk.db``, ``talk.sqlite.json`` of another."""
    if store_path.suffix == ".db":  # a store called ".db" has no suffix
        return store_path.with_suffix(suffix)
    return store_path.with_name(f"{store_path.name}{suffix}")


def _path_in(_: click.Context, __: click.Parameter, target: str) -> str:
    """Return the path of the store file: an address such as ``sqlite:///PATH`` has one."""
    return target.removeprefix("sqlite://").removeprefix("/") if target.startswith("sqlite://") else target


STORE_OPTION: Final = click.Option(
    ["store_path", "--store"],
    metavar="PATH",
    default=DEFAULT_STORE,
    envvar=STORE_VARIABLE,
    show_default=True,
    show_envvar=True,
    callback=_path_in,
    help="The store file.",
)
JSON_OPTION: Final = click.Option(["as_json", "--json"], is_flag=True, help="Print one JSON document on stdout.")


def store_command(name: str, **about: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command, with ``--store PATH`` and ``--json`` behind its own options."""

    def command_of(function: Callable[..., Any]) -> click.Command:
        command = click.command(name, cls=click.Command, **about)(function)
        command.params += [STORE_OPTION, JSON_OPTION]
        return command

    return command_of


def open_for_reading(store_path: str) -> CheckpointStore:
    """Open an existing store read-only: no file is created, migrated or touched."""
    return CheckpointStore(store_path, read_only=True)


def open_for_writing(store_path: str) -> CheckpointStore:
    """Open an existing store for writing. A missing store is not created; the error says that it is missing."""
    if Path(store_path).exists():
        return CheckpointStore(store_path)
    return open_for_reading(store_path)


def open_to_go_on(store_path: str) -> CheckpointStore:
    """Open an existing store for writing; a missing store file is made anew from a copy beside it, as ``run`` does."""
    try:
        return open_for_writing(store_path)
    except StoreTargetError as error:
        if not names_copy(error):
            raise
        return CheckpointStore(store_path)


def complete_job(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a shell offers for JOB: the jobs of the store that the line names before it, the newest job first.

    The store is only read. Without a readable store, nothing is offered: a message within a line helps nobody.
    """
    store_path = ctx.params.get("store_path") or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
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


job_argument: Final = click.argument(
    "job_id",
    required=False,
    metavar="[JOB]",
    # As run names the job of a file whose name is no UTF-8.
    callback=lambda _ctx, _parameter, job: None if job is None else printable(job),
    shell_complete=complete_job,
)
"""Adds the argument JOB, which may be left out: :func:`chosen_job` says what it names."""


def chosen_job(store: CheckpointStore, job: str | None) -> Job:
    """Return the job that JOB names; None is the job that was opened last. An error names the likeliest file."""
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
