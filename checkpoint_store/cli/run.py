"""``checkpoint-store run``: the main job."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store import CheckpointStore
from checkpoint_store.cli import reporting
from checkpoint_store.cli.cleaner import CLEANER_NAME, cleaner_for
from checkpoint_store.cli.command import Command
from checkpoint_store.cli.inputs import UnusableInputError, job_name, read_inputs
from checkpoint_store.cli.interrupts import Interrupts
from checkpoint_store.cli.options import json_option, print_json, store_option
from checkpoint_store.cli.output import UnusableOutputError
from checkpoint_store.cli.screen import Screen
from checkpoint_store.cli.transcript import UnreadableTranscriptError
from checkpoint_store.cli.work import DONE, FAILED, INTERRUPTED, PAUSED, UNUSABLE, Report, Task, do_task
from checkpoint_store.errors import PlanChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.cli.inputs import Input
    from checkpoint_store.cli.work import Clean

_FROM_BEST_TO_WORST: Final = (DONE, PAUSED, FAILED, UNUSABLE, INTERRUPTED)
_COMMAND: Final = "checkpoint_store.command"
_DEFAULT_OVERLAP: Final = 200
_HELP: Final = """\b
Clean each FILE, paying for no chunk twice.

FILE is plain text, .srt or .vtt. Each chunk goes to COMMAND on stdin, and what
it prints on stdout is the cleaned text; a JSON object with a "cleaned_text" is
recorded whole, so that "cost" or "input_tokens" can be added up. Without
COMMAND a built-in cleaner does it, offline.

\b
  checkpoint-store run lecture.srt
  checkpoint-store run *.vtt --model gpt-4o-mini -- python my_llm.py

Ctrl-C once finishes the chunk in hand and pauses (exit 75), twice stops at
once (130). The same command goes on with what is left. COMMAND is known by its
words alone: after changing what it does, begin anew with --fresh.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the person asked for."""

    files: tuple[Path, ...]
    command: tuple[str, ...]
    chunk_size: int
    overlap: int
    title: str | None
    model: str | None
    provider: str | None
    language: str
    output: Path | None
    store: str
    on_change: str
    fresh: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What ``open_job`` is given besides the file and its chunks."""
        config = {
            "chunk_size": self.chunk_size,
            "overlap": self.overlap,
            "language": self.language,
            "cleaner": list(self.command) if self.command else CLEANER_NAME,
        }
        return {
            "video_title": self.title,
            "model": self.model,
            "provider": self.provider,
            "config": config,
            "on_change": self.on_change,
            "fresh": self.fresh,
        }


class _RunCommand(click.Command):
    """Takes what follows ``--`` as COMMAND before click can take it for more files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_COMMAND] = ()
        if "--" in args:
            position = args.index("--")
            args, command = args[:position], args[position + 1 :]
            if not command:
                raise click.UsageError("after -- comes the COMMAND to clean with.", ctx)
            ctx.meta[_COMMAND] = tuple(command)
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] FILE... [-- COMMAND [ARG]...]")


@click.command("run", cls=_RunCommand, help=_HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--chunk-size",
    metavar="N",
    type=click.IntRange(min=1),
    default=2000,
    help="Characters of a chunk, at most.  [default: 2000]",
)
@click.option(
    "--overlap",
    metavar="N",
    type=click.IntRange(min=0),
    help="Characters of the chunk before that a chunk starts with, for context; the output has them once.  "
    "[default: 200, or a tenth of a chunk size below 2000]",
)
@click.option("--title", help="The title of the talk.")
@click.option("--model", help="The model that COMMAND uses; another one is another plan.")
@click.option("--provider", help="Who runs the model.")
@click.option("--language", default="en", show_default=True, help="What is spoken.")
@click.option("--output", metavar="PATH", type=click.Path(path_type=Path), help="[default: FILE.cleaned.txt]")
@store_option
@click.option(
    "--on-change",
    type=click.Choice(["refuse", "reuse", "restart"]),
    default="refuse",
    show_default=True,
    help="If the file or an option changed since its last job: say so; do the changed chunks only; do all.",
)
@click.option("--fresh", is_flag=True, help="Begin a new job whatever there is.")
@json_option
@click.pass_context
def run(ctx: click.Context, /, *, overlap: int | None, as_json: bool, **given: Any) -> int:
    """Run the main job and return the worst of the exit codes."""
    if overlap is None:
        overlap = min(_DEFAULT_OVERLAP, given["chunk_size"] // 10)
    options = Options(command=ctx.meta[_COMMAND], overlap=overlap, **given)
    screen = Screen()
    inputs = _checked_inputs(options, screen)
    reports = []
    for report in _run_all(options, inputs, screen):
        reports.append(report)
        reporting.show(screen, report, options.store)
    reporting.show_again(screen, reports, _again(ctx, options))
    code = max((report.exit_code for report in reports), key=_FROM_BEST_TO_WORST.index)
    if as_json:
        jobs = [dataclasses.asdict(report) for report in reports]
        print_json({"store": options.store, "exit_code": code, "jobs": jobs})
    return code


def _checked_inputs(options: Options, screen: Screen) -> list[Input]:
    if 2 * options.overlap > options.chunk_size:
        raise click.UsageError("--overlap can be half of --chunk-size at most.")
    if len(options.files) > 1 and (options.output or options.title):
        raise click.UsageError("--output and --title are for one FILE.")
    try:
        inputs, passed_over = read_inputs(options.files, options.output)
    except (UnusableInputError, UnreadableTranscriptError, UnusableOutputError) as error:
        raise click.ClickException(str(error)) from error
    for path in passed_over:
        screen.note(f"{path} is what another FILE was cleaned to; passed over", style="dim")
    return inputs


def _run_all(options: Options, inputs: list[Input], screen: Screen) -> Iterator[Report]:
    """Do one input after the other; one that fails does not keep the next from its turn."""
    command = Command(options.command) if options.command else None
    clean = command or _built_in(options.language)
    stop = Interrupts(command.kill if command else lambda: None, quiet=screen.err.is_interactive)
    with CheckpointStore(options.store) as store, stop:
        for item in inputs:
            if stop.requested:
                yield Report(str(item.path), exit_code=INTERRUPTED if stop.at_once else PAUSED)
                continue
            task = _task(options, item, store)
            try:
                yield do_task(store, task, clean, stop, screen)
            except PlanChanged as error:
                yield Report(str(item.path), UNUSABLE, error.job_id, error=reporting.plan_changed(error))
            except UnusableOutputError as error:
                yield Report(str(item.path), UNUSABLE, error=str(error))


def _task(options: Options, item: Input, store: CheckpointStore) -> Task:
    return Task(
        path=item.path,
        text=item.text,
        output=item.output,
        file_name=job_name(item.path, store.path),
        chunk_size=options.chunk_size,
        overlap=options.overlap,
        settings=options.settings,
        joins_lines=not options.command,
    )


def _built_in(language: str) -> Clean:
    clean = cleaner_for(language)
    return lambda text: ({"cleaned_text": clean(text)}, "")


def _again(ctx: click.Context, options: Options) -> str:
    """Return the line to type to go on: what was given, without what would begin anew."""
    words = [str(ctx.find_root().info_name), "run", *map(str, options.files)]
    for parameter in ctx.command.params:
        name = str(parameter.name)
        given = ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and given and name not in {"fresh", "on_change", "as_json"}:
            words += [parameter.opts[-1], str(ctx.params[name])]
    if options.command:
        words += ["--", *options.command]
    return " ".join([words[0], *map(shlex.quote, words[1:])])
