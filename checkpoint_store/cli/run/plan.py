"""The command ``plan``: it says what ``run`` would do, and does nothing."""

from __future__ import annotations

import dataclasses
import shlex
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from rich.text import Text

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.cli import screen
from checkpoint_store.cli.messages import names_copy, names_kept_by_hand
from checkpoint_store.cli.options import JSON_OPTION, open_for_reading
from checkpoint_store.cli.paths import input_text, on_one_line, printable, typed_line
from checkpoint_store.cli.run.changes import READER_FIELD, changes, kept_by_growing
from checkpoint_store.cli.run.opening import read_otherwise, with_results_of_links
from checkpoint_store.cli.run.outputs.output import UnusableOutputError
from checkpoint_store.cli.run.plan_options import LIMIT_NAMES, LIMIT_OPTIONS, REQUEST_OPTIONS, workers_option
from checkpoint_store.cli.run.request import FileCommand, checked_inputs, request_of
from checkpoint_store.cli.run.task import elsewhere_text, refuse_output
from checkpoint_store.cli.screen import Screen, chunk_count, to_redo_text
from checkpoint_store.cli.screen import cost as amount
from checkpoint_store.cli.stand_in import stand_in, unrecorded_beside
from checkpoint_store.cli.stdout import print_json
from checkpoint_store.cli.table import facts_table, print_table
from checkpoint_store.errors import StoreTargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import CheckpointStore, RunPlan
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.request import Request


_GOES_ON: Final = ("resume", "extend", "complete")


def _plan_of_part(run_plan: RunPlan, store: CheckpointStore, only: ChunkRanges | None) -> RunPlan:
    """Return the plan of a run of these chunks alone; a run under ``reuse`` may have less to do."""
    if only is None or not run_plan.chunks_to_do:
        return run_plan
    in_part = {
        name: tuple(index for index in getattr(run_plan, name) if index in only)
        for name in ("failed", "in_doubt", "with_handle")
    }
    count = len(only.indices)
    if run_plan.action in _GOES_ON:
        count = only.count_left(store.job(str(run_plan.job_id))) - len(in_part["failed"])
    to_do = min(count, run_plan.chunks_to_do)
    changes: dict[str, Any] = {**in_part, "chunks_to_do": to_do}
    for name in ("estimated_cost", "estimated_seconds"):
        whole = getattr(run_plan, name)
        changes[name] = None if whole is None else whole * to_do / run_plan.chunks_to_do
    return dataclasses.replace(run_plan, **changes)


def _to_do_text(run_plan: RunPlan, only: ChunkRanges | None) -> str:
    """Return how many chunks a run would do: ``4 of 6 chunks``."""
    if only is None:
        return f"{run_plan.chunks_to_do:,} of {chunk_count(run_plan.total_chunks)}"
    most = "at most " if run_plan.action == "reuse" else ""
    return f"{most}{run_plan.chunks_to_do:,} of the {chunk_count(len(only.indices))} of --only {only}"


def budget_outlook(store: CheckpointStore, run_plan: RunPlan, max_cost: float | None, cost: str) -> tuple[bool, str]:
    """Return whether a run would pause at once for its budget, and what to say of the budget; empty if it is ample."""
    if max_cost is None or not run_plan.chunks_to_do:
        return False, ""
    if run_plan.job_id is None:  # a new job has spent nothing
        return False, _how_many_fit(run_plan, max_cost, 0.0)
    costs = store.job(run_plan.job_id).costs(cost)
    if costs.allow_another(max_cost):
        return False, _how_many_fit(run_plan, max_cost, (costs.cost or 0.0) + costs.reserved_cost)
    if costs.unreadable_chunk is not None:
        where = f"the cost of chunk {costs.unreadable_chunk} cannot be read as {cost!r}"
        return True, f"no chunk would begin: {where}; see --cost"
    in_doubt = f", {amount(costs.reserved_cost)} more in doubt" if costs.reserved_cost else ""
    spent = f"{amount(costs.cost or 0)} spent{in_doubt}, and the dearest chunk cost {amount(costs.dearest_cost)}"
    return True, f"no chunk fits into {amount(max_cost)}: {spent}"


def _how_many_fit(run_plan: RunPlan, max_cost: float, spent: float) -> str:
    to_do = run_plan.chunks_to_do
    mean = (run_plan.estimated_cost or 0.0) / to_do
    if not mean or spent + mean * to_do <= max_cost:
        return ""
    return f"about {int((max_cost - spent) / mean):,} of {chunk_count(to_do)} fit into {amount(max_cost)}"


_HELP: Final = """\b
Say what run would do with each FILE, and do nothing.

Give it the FILEs, the options and the COMMAND that run would be given. Cost
and time are estimated from the mean of the chunks that are done.
"""
_NO_SETTINGS: Final = frozenset({"file_name", "total_chunks", "sequential", "chunks", READER_FIELD})
_ACTIONS: Final = {
    "new": ("a new job", "cyan"),
    "resume": ("goes on", "cyan"),
    "complete": ("nothing left to do", "green"),
    "reuse": ("a new job, with every result whose chunk is unchanged", "cyan"),
    "extend": ("goes on, with more chunks", "cyan"),
    "restart": ("a new job from nothing", "yellow"),
    "refuse": ("refused: its job was made for something else", "red"),
}


_WORKERS: Final = workers_option("The workers of the run, for the estimate of its time.")


@click.command("plan", cls=FileCommand, help=_HELP, params=[*REQUEST_OPTIONS, _WORKERS, *LIMIT_OPTIONS, JSON_OPTION])
@click.pass_context
def plan(ctx: click.Context, /, *, workers: int, as_json: bool, **options: Any) -> None:
    """Plan each FILE. Most limits of a run change nothing here; they are taken so that run's line can be typed."""
    request = request_of(ctx, **{name: value for name, value in options.items() if name not in LIMIT_NAMES})
    terminal = Screen()
    plans: list[tuple[Input, RunPlan, str | None, int, tuple[bool, str], _Change]] = []
    max_cost, cost, only = options["max_cost"], options["cost"], options["only"]
    with _store_or_stand_in(request.store_path, terminal) as (store, path):
        inputs = checked_inputs(request, terminal)
        if only is not None:
            only.check_count(inputs)
        for checked in inputs:
            source = request.as_begun(checked, store, path)
            if only is not None:
                only.check(source)
            whole_plan, refusal = _plan_of(request, source, store, path, cost)
            run_plan = _plan_of_part(whole_plan, store, only)
            budget = budget_outlook(store, run_plan, max_cost, cost)
            if run_plan.estimated_seconds is not None:
                run_plan = dataclasses.replace(run_plan, estimated_seconds=run_plan.estimated_seconds / workers)
            change = _Change([], None, None) if as_json else _change_of(request, source, store, path, run_plan)
            plans.append((source, run_plan, refusal, _redo_count(store, run_plan, only), budget, change))
    if as_json:
        records = [
            dataclasses.asdict(run_plan)
            | {"output_refused": refusal, "redo_chunks": redo_chunks, "over_budget": is_over_budget}
            for _, run_plan, refusal, redo_chunks, (is_over_budget, _), _ in plans
        ]
        print_json({"store": request.store_path, "plans": records})
        return
    for source, run_plan, refusal, redo_chunks, (_, outlook), change in plans:
        facts = [*_facts(run_plan, _to_do_text(run_plan, only), redo_chunks, workers, change), ("budget", outlook)]
        _show(terminal, input_text(source.path), run_plan, facts)
        for label, words in _whole_lines(run_plan, request, refusal, change):
            terminal.out.print(Text.assemble((f"  {label}  ", "dim"), words), soft_wrap=True)


class _Change(NamedTuple):
    """What has changed since the earlier job of an input, in words."""

    texts: list[str]
    ignoring: tuple[int, str] | None
    """How many results ``--reuse-ignoring`` would keep, and the options; None if it would keep no more."""
    grown: int | None
    """How many results the job keeps if it grows; None if it cannot grow."""


def _change_of(request: Request, source: Input, store: CheckpointStore, path: Path, run_plan: RunPlan) -> _Change:
    """Return what has changed, in words. The file is read and cut again for this, and the store is searched again."""
    changed = changes(request, source, store, path, run_plan.differences)
    is_refused = run_plan.action == "refuse"
    grown = kept_by_growing(request, source, store, path, run_plan.differences) if is_refused else None
    return _Change(changed, _ignoring(request, source, store, path, run_plan), grown)


def _ignoring(
    request: Request, source: Input, store: CheckpointStore, path: Path, run_plan: RunPlan
) -> tuple[int, str] | None:
    """Return how many results a refused run could keep in spite of its settings, and with which options."""
    names = [difference.field for difference in run_plan.differences if difference.field not in _NO_SETTINGS]
    if run_plan.action != "refuse" or not names:
        return None
    ignoring = (*request.settings_of(source)["reuse_ignoring"], *names)
    kept = request.plan_of(source, store, path, on_change="reuse", reuse_ignoring=ignoring).kept
    options = " ".join(f"--reuse-ignoring {shlex.quote(name)}" for name in names)
    return (kept, f"--on-change reuse {options}") if kept > run_plan.kept else None


def _plan_of(
    request: Request, source: Input, store: CheckpointStore, path: Path, cost: str
) -> tuple[RunPlan, str | None]:
    """Return what run would do with an input, and why it would not begin, if its output is in the way."""
    run_plan = request.plan_of(source, store, path, cost=cost)
    try:
        task = request.task_of(source, store, path)
        if changed := read_otherwise(store, task):
            refused: dict[str, Any] = {"action": "refuse", "job_id": None, "chunks_to_do": 0, "kept": 0}
            run_plan = dataclasses.replace(run_plan, differences=changed.differences, **refused)
        task, run_plan, _ = with_results_of_links(store, path, task, run_plan, cost)
        refuse_output(store, task, run_plan)
    except UnusableOutputError as error:
        return run_plan, str(error)
    return run_plan, None


@contextmanager
def _store_or_stand_in(store_path: str, terminal: Screen) -> Iterator[tuple[CheckpointStore, Path]]:
    """Yield the store and its path.

    If the store file is missing or empty, yield a temporary store, with what a run would bring back or import at first.
    """
    path = Path(store_path).absolute()
    with ExitStack() as stack:
        try:
            store = stack.enter_context(open_for_reading(store_path))
        except StoreTargetError as error:
            is_empty = path.is_file() and not path.stat().st_size
            if (path.exists() and not is_empty) or "://" in store_path or not path.parent.is_dir():
                raise
            try:
                store = stack.enter_context(stand_in(path))
            except CheckpointStoreError:
                raise error from None  # it has the path of the store, and names what helps
            if names_copy(error):
                reason = error.reason.partition(";")[0]
                next_step = "run, or resume, brings the store back from it"
                if names_kept_by_hand(error):
                    next_step = "run takes its job into a store first"
                terminal.note(f"{store_path}: {reason}; {next_step}")
            yield store, path
        else:
            for kept in unrecorded_beside(store.path):
                name = on_one_line(printable(kept.name))
                terminal.note(f"{name} has results that are not recorded yet; run takes them in first")
            yield store, store.path


def _show(terminal: Screen, name: str, run_plan: RunPlan, facts: list[tuple[str, str]]) -> None:
    words, style = _ACTIONS[run_plan.action]
    terminal.out.print(Text.assemble((name, "bold"), "  ", (words, style)), soft_wrap=True)
    print_table(terminal.out, facts_table(facts))


def _redo_count(store: CheckpointStore, run_plan: RunPlan, only: ChunkRanges | None) -> int:
    """Return how many chunks, of those to do, have an earlier result that a run would replace."""
    goes_on = run_plan.action in ("resume", "extend") and run_plan.job_id is not None
    to_redo = store.job(str(run_plan.job_id)).to_redo() if goes_on else []
    return sum(only is None or index in only for index in to_redo)


def _whole_lines(run_plan: RunPlan, request: Request, refusal: str | None, change: _Change) -> list[tuple[str, str]]:
    """Return what a person copies, an option or a path, each with its label: no screen breaks these lines."""
    lines = []
    if run_plan.action == "refuse":
        choices = [(run_plan.kept, "--on-change reuse"), (0, "--on-change restart")]
        if change.ignoring is not None:
            choices.insert(1, change.ignoring)
        if change.grown is not None:
            choices.insert(0, (change.grown, "--on-change extend"))
        lines += [(f"keeps {f'{kept:,}' if kept else 'none'} with:", words) for kept, words in choices]
    if run_plan.kept_elsewhere:
        lines.append(("note", elsewhere_text(run_plan, request.on_change)))
    if refusal is not None:
        lines.append(("output", refusal))
    if run_plan.failed:
        lines.append(("retry failed chunks with:", typed_line(["retry", str(run_plan.job_id)[:8]], request.store_path)))
    return lines


def _facts(run_plan: RunPlan, to_do: str, redo_chunks: int, workers: int, change: _Change) -> list[tuple[str, str]]:
    job = (run_plan.job_id or "")[:8]
    cost, seconds = (run_plan.estimated_cost, run_plan.estimated_seconds) if run_plan.chunks_to_do else (None, None)
    by = f" with {workers} workers" if workers > 1 else ""
    doubt = "  (begun and never ended, possibly billed; done again)"
    held = "  (with a handle: a service holds their work, and can be asked for it)"
    return [
        ("job", job),
        ("changed", "\n".join(change.texts)),
        ("to do", to_do),
        ("to redo", to_redo_text(redo_chunks) if redo_chunks else ""),
        ("kept", f"{run_plan.kept:,}" if run_plan.kept and run_plan.action != "refuse" else ""),
        ("failed", f"{screen.indices(run_plan.failed)}  (passed over)" if run_plan.failed else ""),
        ("in doubt", screen.indices(run_plan.in_doubt) + doubt if run_plan.in_doubt else ""),
        ("held", screen.indices(run_plan.with_handle) + held if run_plan.with_handle else ""),
        ("spent", screen.cost(run_plan.spent) if run_plan.spent else ""),
        ("cost", f"about {screen.cost(cost)} more" if cost else ""),
        ("time", f"about {screen.duration(seconds)}{by}" if seconds is not None else ""),
    ]
