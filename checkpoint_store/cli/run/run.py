"""``checkpoint-store run``: the main job."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.options import json_option, print_json
from checkpoint_store.cli.run import report as run_report
from checkpoint_store.cli.run.inputs import job_name
from checkpoint_store.cli.run.interrupts import Interrupts
from checkpoint_store.cli.run.output_log import Written
from checkpoint_store.cli.run.request import FileCommand, checked_inputs, request_of, request_options, workers_option
from checkpoint_store.cli.run.subprocess_worker import Command
from checkpoint_store.cli.run.task import (
    DONE,
    FAILED,
    INTERRUPTED,
    PAUSED,
    UNUSABLE,
    Means,
    Pace,
    Report,
    Task,
    do_task,
)
from checkpoint_store.cli.screen import Screen
from checkpoint_store.cli.transcripts.clean import cleaner_for
from checkpoint_store.cli.transcripts.write import Output, UnusableOutputError, belongs_to_store
from checkpoint_store.errors import PlanChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.cli.run.task import Clean

_FROM_BEST_TO_WORST: Final = (DONE, PAUSED, FAILED, UNUSABLE, INTERRUPTED)
_BEGINS_ANEW: Final = frozenset({"fresh", "on_change", "as_json"})
_HELP: Final = """\b
Clean each FILE, paying for no chunk twice.

FILE is plain text, .srt or .vtt. Each chunk goes to COMMAND on stdin, and what
it prints on stdout is the cleaned text; a JSON object with a "cleaned_text" is
recorded whole, so that "cost" or "input_tokens" can be added up. Without
COMMAND a built-in cleaner does it, offline.

\b
  checkpoint-store run lecture.srt
  checkpoint-store run *.vtt --model gpt-4o-mini -- python my_llm.py
  checkpoint-store run talk.srt --workers 8 --retries 3 --timeout 120 -- my_llm

Ctrl-C once finishes the chunks in hand and pauses (exit 75), twice stops at
once (130). The same command goes on with what is left, and a second one beside
it shares the work. COMMAND is known by its words alone: after changing what it
does, begin anew with --fresh.
"""


def _checked_field(_: click.Context, __: click.Parameter, field: str) -> str:
    if not all(field.split(".")) or '"' in field:
        raise click.BadParameter(f"{field!r} is neither a field nor a dotted path such as usage.cost.")
    return field


@click.command("run", cls=FileCommand, help=_HELP)
@request_options
@click.option("--output", metavar="PATH", type=click.Path(path_type=Path), help="[default: FILE.cleaned.txt]")
@click.option(
    "--force", is_flag=True, help="Replace the output file also where it was edited, or made by something else."
)
@workers_option("How many chunks are worked on at the same time, each by a COMMAND of its own.")
@click.option(
    "--retries",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Try a chunk up to N times more, then pass it over and go on with the others; 'retry' frees it.  "
    "[default: 0, and the first failure ends the run]",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="End a COMMAND that takes longer; its chunk has failed then.",
)
@click.option(
    "--max-cost",
    metavar="AMOUNT",
    type=click.FloatRange(min=0, min_open=True),
    help="Pause before the job's results have cost more, or at the first one whose cost cannot be read.",
)
@click.option(
    "--cost",
    metavar="FIELD",
    default="cost",
    show_default=True,
    callback=_checked_field,
    help="Where the cost stands in what COMMAND prints; usage.cost is the field cost of the object usage.",
)
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    output: Path | None,
    force: bool,
    workers: int,
    retries: int,
    timeout: float | None,
    max_cost: float | None,
    cost: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Run the main job and return the worst of the exit codes."""
    request = request_of(ctx, **given)
    for option, value in (("--timeout", timeout), ("--max-cost", max_cost)):
        if value is not None and not request.command:
            raise click.UsageError(f"{option} is for a COMMAND.")
    screen = Screen()
    inputs = checked_inputs(request, screen, output)
    reports = []
    pace = Pace(workers, retries, timeout, max_cost, cost)
    for report in _run_all(request, inputs, pace, screen, force=force):
        reports.append(report)
        run_report.show(screen, report, request.store)
    run_report.show_again(screen, reports, _again(ctx, request), request.store)
    code = max((report.exit_code for report in reports), key=_FROM_BEST_TO_WORST.index)
    if as_json:
        jobs = [dataclasses.asdict(report) for report in reports]
        print_json({"store": request.store, "exit_code": code, "jobs": jobs})
    return code


def _run_all(request: Request, inputs: list[Input], pace: Pace, screen: Screen, *, force: bool) -> Iterator[Report]:
    """Do one input after the other; one that fails does not keep the next from its turn."""
    command = Command(request.command, timeout_seconds=pace.timeout_seconds) if request.command else None
    clean = command or _built_in(request.language)
    stop = Interrupts(command.kill if command else lambda: None, quiet=screen.err.is_interactive)
    means = Means(clean, pace, stop, screen)
    with CheckpointStore(request.store) as store, stop:
        for item in inputs:
            if stop.requested:
                yield Report(str(item.path), exit_code=INTERRUPTED if stop.at_once else PAUSED)
                continue
            try:
                yield do_task(store, _task(request, item, store, force=force), means)
            except PlanChanged as error:
                yield Report(str(item.path), UNUSABLE, error.job_id, error=run_report.plan_changed(error))
            except UnusableOutputError as error:
                yield Report(str(item.path), UNUSABLE, error=str(error))


def _task(request: Request, item: Input, store: CheckpointStore, *, force: bool) -> Task:
    if belongs_to_store(item.output, store.path):
        raise UnusableOutputError(f"{item.output} belongs to the store {store.path}; name another file with --output")
    name = job_name(item.path, store.path)
    return Task(
        path=item.path,
        pieces=request.pieces(item),
        output=Output(item.output, name, Written(store.path), force=force),
        file_name=name,
        settings=request.settings,
        joins_lines=not request.command,
    )


def _built_in(language: str) -> Clean:
    clean = cleaner_for(language)
    return lambda text: ({"cleaned_text": clean(text)}, "")


def _again(ctx: click.Context, request: Request) -> str:
    """Return the line to type to go on: what was given, without what would begin anew."""
    words = [str(ctx.find_root().info_name), "run", *map(str, request.files)]
    for parameter in ctx.command.params:
        name = str(parameter.name)
        given = ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and given and name not in _BEGINS_ANEW:
            words += [parameter.opts[-1], *([] if parameter.is_flag else [_as_typed(ctx.params[name])])]
    if request.command:
        words += ["--", *request.command]
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def _as_typed(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
