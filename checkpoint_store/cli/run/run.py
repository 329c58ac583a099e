"""The command ``run``."""

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
from checkpoint_store.cli.run.output_log import OutputLog
from checkpoint_store.cli.run.request import FileCommand, checked_inputs, request_of, request_options, workers_option
from checkpoint_store.cli.run.subprocess_worker import Command
from checkpoint_store.cli.run.task import (
    DONE,
    FAILED,
    INTERRUPTED,
    PAUSED,
    UNUSABLE,
    Report,
    RunContext,
    RunLimits,
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

_BEST_TO_WORST: Final = (DONE, PAUSED, FAILED, UNUSABLE, INTERRUPTED)
_NOT_REPEATED: Final = frozenset({"fresh", "on_change", "reuse_ignoring", "as_json"})
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
    "--force", is_flag=True, help="Replace the output file even if it was edited, or is not an output of this command."
)
@workers_option("The number of chunks in work at the same time, each by a COMMAND of its own.")
@click.option(
    "--retries",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Try a chunk up to N times more, then skip it and go on with the others; 'retry' frees it.  "
    "[default: 0, and the first failure ends the run]",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Kill a COMMAND that takes longer; its chunk has failed then.",
)
@click.option(
    "--max-cost",
    metavar="AMOUNT",
    type=click.FloatRange(min=0, min_open=True),
    help="Pause before the job's results cost more, or at the first result whose cost cannot be read.",
)
@click.option(
    "--cost",
    metavar="FIELD",
    default="cost",
    show_default=True,
    callback=_checked_field,
    help="The field of COMMAND's JSON that holds the cost; usage.cost is the field cost of the object usage.",
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
    **options: Any,
) -> int:
    """Run each FILE and return the worst of the exit codes."""
    request = request_of(ctx, **options)
    for option, value in (("--timeout", timeout), ("--max-cost", max_cost)):
        if value is not None and not request.command:
            raise click.UsageError(f"{option} is for a COMMAND.")
    screen = Screen()
    inputs = checked_inputs(request, screen, output)
    reports = []
    limits = RunLimits(workers, retries, timeout, max_cost, cost)
    for report in _run_all(request, inputs, limits, screen, force=force):
        reports.append(report)
        run_report.show(screen, report, request.store_path)
    run_report.show_resume_command(screen, reports, _resume_command(ctx, request), request.store_path)
    code = max((report.exit_code for report in reports), key=_BEST_TO_WORST.index)
    if as_json:
        jobs = [dataclasses.asdict(report) for report in reports]
        print_json({"store": request.store_path, "exit_code": code, "jobs": jobs})
    return code


def _run_all(
    request: Request, inputs: list[Input], limits: RunLimits, screen: Screen, *, force: bool
) -> Iterator[Report]:
    """Run one input after the other, and yield a report for each; an input that fails does not stop the others."""
    command = Command(request.command, timeout_seconds=limits.timeout_seconds) if request.command else None
    clean = command or _built_in_cleaner(request.language)
    interrupts = Interrupts(command.kill if command else lambda: None, quiet=screen.err.is_interactive)
    context = RunContext(clean, limits, interrupts, screen)
    with CheckpointStore(request.store_path) as store, interrupts:
        for source in inputs:
            if interrupts.requested:
                yield Report(str(source.path), exit_code=INTERRUPTED if interrupts.stops_now else PAUSED)
                continue
            try:
                yield do_task(store, _task(request, source, store, force=force), context)
            except PlanChanged as error:
                yield Report(str(source.path), UNUSABLE, error.job_id, error=run_report.plan_changed(error))
            except UnusableOutputError as error:
                yield Report(str(source.path), UNUSABLE, error=str(error))


def _task(request: Request, source: Input, store: CheckpointStore, *, force: bool) -> Task:
    if belongs_to_store(source.output, store.path):
        raise UnusableOutputError(f"{source.output} belongs to the store {store.path}; name another file with --output")
    name = job_name(source.path, store.path)
    return Task(
        path=source.path,
        chunks=request.chunks_of(source),
        output=Output(source.output, name, OutputLog(store.path), force=force),
        file_name=name,
        settings=request.settings,
        joins_lines=not request.command,
    )


def _built_in_cleaner(language: str) -> Clean:
    clean = cleaner_for(language)
    return lambda text: ({"cleaned_text": clean(text)}, "")


def _resume_command(ctx: click.Context, request: Request) -> str:
    """Return the command that goes on: this one without the options that begin a new job."""
    words = [str(ctx.find_root().info_name), "run", *map(str, request.files)]
    for parameter in ctx.command.params:
        name = str(parameter.name)
        given = ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and given and name not in _NOT_REPEATED:
            words += [parameter.opts[-1], *([] if parameter.is_flag else [_command_line_text(ctx.params[name])])]
    if request.command:
        words += ["--", *request.command]
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def _command_line_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
