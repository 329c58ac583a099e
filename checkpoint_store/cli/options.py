"""Options and helpers that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store import CheckpointStore, StoreTargetError
from checkpoint_store.cli import json_output
from checkpoint_store.cli.completion import jobs_of
from checkpoint_store.cli.messages import names_copy
from checkpoint_store.cli.paths import printable
from checkpoint_store.cli.typed_line import DEFAULT_STORE, STORE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

print_json: Final = json_output.print_json


class PositiveNumber(click.FloatRange):
    """A finite number above 0. The range of click itself lets NaN through."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; show a usage error for anything else."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value} is not a number above 0.", param, ctx)
        checked: float = super().convert(number, param, ctx)
        return checked


NO_LIMIT: Final = "none"


class PositiveNumberOrNone(PositiveNumber):
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


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--store PATH``."""
    return click.option(
        "store_path",
        "--store",
        metavar="PATH",
        default=DEFAULT_STORE,
        envvar=STORE_VARIABLE,
        show_default=True,
        show_envvar=True,
        callback=_path_in,
        help="The store file.",
    )(function)


def _path_in(_: click.Context, __: click.Parameter, target: str) -> str:
    """Return the path of the store file: an address such as ``sqlite:///PATH`` has one."""
    return target.removeprefix("sqlite://").removeprefix("/") if target.startswith("sqlite://") else target


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``."""
    return click.option("as_json", "--json", is_flag=True, help="Print one JSON document on stdout.")(function)


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


def job_argument() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the argument JOB, which may be left out: ``chosen_job`` of ``job_choice.py`` says what it names."""
    return click.argument("job_id", required=False, metavar="[JOB]", callback=_as_shown, shell_complete=complete_job)


def complete_job(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a shell offers for JOB: the jobs of the store that the line names before it."""
    store_path = ctx.params.get("store_path") or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    return jobs_of(store_path, incomplete)


def _as_shown(_: click.Context, __: click.Parameter, job: str | None) -> str | None:
    return None if job is None else printable(job)  # as run names the job of a file whose name is no UTF-8
