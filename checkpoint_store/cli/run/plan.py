"""``checkpoint-store plan``: what a run would do."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table
from rich.text import Text

from checkpoint_store import CheckpointStore
from checkpoint_store.cli import screen
from checkpoint_store.cli.options import json_option, open_for_reading, print_json
from checkpoint_store.cli.run.inputs import job_name
from checkpoint_store.cli.run.report import changes, command
from checkpoint_store.cli.run.request import FileCommand, checked_inputs, request_of, request_options, workers_option
from checkpoint_store.cli.screen import Screen
from checkpoint_store.errors import StoreTargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import RunPlan

_HELP: Final = """\b
Say what run would do with each FILE, and do nothing.

Give it the FILEs, the options and the COMMAND that run would be given. Cost
and time are those of a chunk so far, times the chunks to do.
"""
_ACTIONS: Final = {
    "new": ("a new job", "cyan"),
    "resume": ("goes on", "cyan"),
    "complete": ("nothing left to do", "green"),
    "reuse": ("a new job, with every result whose chunk is unchanged", "cyan"),
    "restart": ("a new job from nothing", "yellow"),
    "refuse": ("refused: its job was made for something else", "red"),
}


@click.command("plan", cls=FileCommand, help=_HELP)
@request_options
@workers_option("Of the run that the time is estimated for.")
@json_option
@click.pass_context
def plan(ctx: click.Context, /, *, workers: int, as_json: bool, **given: Any) -> None:
    """Plan each FILE."""
    request = request_of(ctx, **given)
    where = Screen()
    plans = []
    inputs = checked_inputs(request, where)
    with _opened(request.store) as (store, path):
        for item in inputs:
            name = job_name(item.path, path)
            found = store.plan(name, chunks=request.pieces(item), **request.settings)
            if found.estimated_seconds is not None:
                found = dataclasses.replace(found, estimated_seconds=found.estimated_seconds / workers)
            plans.append(found)
    if as_json:
        print_json({"store": request.store, "plans": [dataclasses.asdict(found) for found in plans]})
        return
    for item, found in zip(inputs, plans, strict=True):
        _show(where, str(item.path), found, request.store, workers)


@contextmanager
def _opened(store: str) -> Iterator[tuple[CheckpointStore, Path]]:
    """Open a store to read, or where there is none yet what a run would make, out of the way; with the store's path."""
    path = Path(store).absolute()
    try:
        opened = open_for_reading(store)
    except StoreTargetError:
        if path.exists() or "://" in store or not path.parent.is_dir():
            raise
    else:
        with opened:
            yield opened, opened.path
        return
    with (
        tempfile.TemporaryDirectory(prefix="checkpoint-store-plan-") as folder,
        CheckpointStore(Path(folder) / "empty.db", state_file=None, durability="process") as empty,
    ):
        state_file = path.with_name(f"{path.name.removesuffix('.db')}.json")
        if state_file.exists():  # a run would take it in
            empty.import_state(state_file)
        yield empty, path


def _show(where: Screen, name: str, found: RunPlan, store: str, workers: int) -> None:
    words, style = _ACTIONS[found.action]
    where.out.print(Text.assemble((name, "bold"), "  ", (words, style)), soft_wrap=True)
    facts = Table.grid(padding=(0, 2, 0, 0))
    for label, value in _facts(found, store, workers):
        if value:
            facts.add_row(Text(f"  {label}", style="dim"), Text(value))
    screen.print_table(where.out, facts)


def _facts(found: RunPlan, store: str, workers: int) -> list[tuple[str, str]]:
    job = (found.job_id or "")[:8]
    refused = found.action == "refuse"
    kept = f"{found.kept:,} with --on-change reuse, none with --on-change restart" if refused else f"{found.kept:,}"
    free = f"  (passed over; {command('retry', job, store)} frees {'it' if len(found.failed) == 1 else 'them'})"
    doubt = "  (begun and never ended, possibly billed; done again)"
    return [
        ("job", job),
        ("changed", "\n".join(changes(found.differences))),
        ("to do", f"{found.chunks_to_do:,} of {screen.chunks(found.total_chunks)}"),
        ("kept", kept if found.kept or refused else ""),
        ("failed", screen.indices(found.failed) + free if found.failed else ""),
        ("in doubt", screen.indices(found.in_doubt) + doubt if found.in_doubt else ""),
        ("spent", f"{found.spent:.4g}" if found.spent else ""),
        ("cost", f"about {found.estimated_cost:.4g} more" if found.chunks_to_do and found.estimated_cost else ""),
        ("time", _time(found, workers)),
    ]


def _time(found: RunPlan, workers: int) -> str:
    if not found.chunks_to_do or found.estimated_seconds is None:
        return ""
    by = f" with {workers} workers" if workers > 1 else ""
    return f"about {screen.duration(found.estimated_seconds)}{by}"


COMMANDS: Final = (plan,)
