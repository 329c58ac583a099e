"""The command ``run``."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store import current_attempt
from checkpoint_store.cli.messages import message_of
from checkpoint_store.cli.notices import NOTICES
from checkpoint_store.cli.options import JSON_OPTION
from checkpoint_store.cli.paths import STANDARD, input_text, printable
from checkpoint_store.cli.run import report as run_report
from checkpoint_store.cli.run.changes import kept_by_growing, plan_changed
from checkpoint_store.cli.run.command.answer import TEXT_FIELD
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.run.first_look import AllRefusedError, open_for_run
from checkpoint_store.cli.run.go_on_lines import NOT_REMEMBERED, line_of_run, line_to_go_on, words_of_line
from checkpoint_store.cli.run.joblog import JobLog
from checkpoint_store.cli.run.limits import FailureWatch, RunLimits
from checkpoint_store.cli.run.memory import RESUMED, LaterFiles, Resumed
from checkpoint_store.cli.run.outputs.output import UnusableOutputError
from checkpoint_store.cli.run.plan_options import LIMIT_NAMES, LIMIT_OPTIONS, REQUEST_OPTIONS, workers_option
from checkpoint_store.cli.run.request import FileCommand, checked_inputs, request_of
from checkpoint_store.cli.run.run_context import Files, RunContext, RunInterrupts, show_summary
from checkpoint_store.cli.run.task import do_task
from checkpoint_store.cli.run.task_records import (
    DONE,
    FAILED,
    INTERRUPTED,
    PAUSED,
    UNUSABLE,
    Report,
)
from checkpoint_store.cli.screen import Screen
from checkpoint_store.cli.stdout import print_json
from checkpoint_store.errors import CheckpointStoreError, PlanChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store import CheckpointStore
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.cli.run.task_records import Clean

_BEST_TO_WORST: Final = (DONE, PAUSED, FAILED, UNUSABLE, INTERRUPTED)
_HELP: Final = """\b
Clean each FILE, paying for no chunk twice.

FILE is plain text, captions (.srt, .vtt, .ass, .ssa, .ttml, .dfxp, .sbv, .lrc)
or what a speech recognizer wrote (.json, .tsv, .csv); - is standard input. Each
chunk alone goes to COMMAND on stdin, and what it prints is the cleaned text;
a JSON object with a "cleaned_text" is recorded whole, so that "cost" or
"input_tokens" can be added up. The text before the chunk is in
CHECKPOINT_STORE_CONTEXT. The output is the answers one after the other, with
what stood between the chunks in FILE.
Without COMMAND a built-in cleaner does the work, offline.

\b
  checkpoint-store run lecture.srt
  checkpoint-store run *.vtt --model gpt-4o-mini -- python my_llm.py
  checkpoint-store run talk.srt --workers 8 --retries 3 --timeout 60 -- llm
  checkpoint-store run tweets.jsonl --split lines -- jq -c '{id, text}'

Ctrl-C once finishes the chunks in hand and pauses (exit 75), twice stops at
once (130). The same command goes on with what is left; typed in a second
terminal, it shares the work. COMMAND is known by its words alone: after
changing what it does, begin anew with --fresh.
"""


_WORKERS: Final = workers_option("The number of chunks in work at the same time, each by a COMMAND of its own.")


@click.command("run", cls=FileCommand, help=_HELP, params=[*REQUEST_OPTIONS, _WORKERS, *LIMIT_OPTIONS, JSON_OPTION])
@click.pass_context
def run(ctx: click.Context, /, *, workers: int, as_json: bool, **options: Any) -> int:
    """Run each FILE and return the worst of the exit codes."""
    given = {name: options.pop(name) for name in LIMIT_NAMES}
    request = request_of(ctx, **options)
    for name in ("halt", "timeout", "max_cost", "max_calls_per_minute"):
        if given[name] is not None and not request.command:
            raise click.UsageError(f"--{name.replace('_', '-')} is for a COMMAND.")
    if as_json and STANDARD in (request.output, *(request.files if request.output is None else ())):
        raise click.UsageError("--json prints on standard output, and so does the text: name a file with --output.")
    screen = Screen()
    inputs = checked_inputs(request, screen)
    if given["only"] is not None:
        given["only"].check_count(inputs)
    files = Files(len(inputs))
    resumed: Resumed | None = ctx.meta.get(RESUMED)
    limits = RunLimits(workers, **given, frees_failed=bool(resumed and resumed.frees_failed))

    def words_of(path: Path) -> tuple[str, ...]:
        is_file = path != STANDARD
        return tuple(words_of_line(ctx, request, [path.absolute()], NOT_REMEMBERED)) if is_file else ()

    def change_text(changed: PlanChanged, source: Input, store: CheckpointStore) -> str:
        grown = kept_by_growing(request, source, store, store.path, changed.differences)
        choice = "extend" if grown is not None and grown >= changed.reusable_results else "reuse"
        line = line_of_run(ctx, request, [source.path], "--on-change", choice)
        return plan_changed(changed, request, source, store, line=line, grown=grown)

    known = resumed.later if resumed else None
    done = _run_all(
        request, inputs, limits, screen, words_of=words_of, known=known, files=files, change_text=change_text
    )
    for report in _reports(done, request.store_path, inputs, screen, files):
        files.add(report)
        run_report.show(screen, report, request.store_path)
    show_summary(screen, files, request.store_path)
    go_on_with = run_report.show_resume_command(
        screen, files.reports, line_to_go_on(ctx, request, files), request.store_path
    )
    run_report.show_output_options(screen, files.reports, line_of_run(ctx, request, request.files))
    codes = [UNUSABLE] if files.closing_failure else []
    code = max((*codes, *(report.exit_code for report in files.reports)), key=_BEST_TO_WORST.index)
    if as_json:
        jobs = [dataclasses.asdict(report) | {"outcome": report.outcome} for report in files.reports]
        summary = files.as_json(go_on_with, resumed.not_begun if resumed else ())
        document = {"store": request.store_path, "exit_code": code, "jobs": jobs, "summary": summary}
        print_json(files.failure | document)
    return code


def _reports(
    done: Iterator[Report], store_path: str, inputs: list[Input], screen: Screen, files: Files
) -> Iterator[Report]:
    """Yield the report of each input, also where an error of the store ends the run once a job is opened."""
    try:
        yield from done
    except (CheckpointStoreError, OSError, click.ClickException) as error:
        if not files.reports and files.begun is None:
            raise  # there is nothing else to tell
        if len(files.reports) == len(inputs):  # the store could not be closed as it should be
            files.closing_failure = {"error": message_of(error, store_path), "type": type(error).__name__}
            screen.error(files.closing_failure["error"])
            return
        in_work, *others = inputs[len(files.reports) :]
        report = files.begun or Report(printable(in_work.path), total_chunks=len(in_work.content.chunks))
        report.exit_code, report.broken_off_by = UNUSABLE, type(error).__name__
        report.error = message_of(error, store_path)
        yield report
        for source in others:
            yield _not_begun(source, PAUSED)


def _not_begun(source: Input, code: int) -> Report:
    return Report(printable(source.path), code, total_chunks=len(source.content.chunks))


def _run_all(
    request: Request,
    inputs: list[Input],
    limits: RunLimits,
    screen: Screen,
    *,
    words_of: Callable[[Path], tuple[str, ...]],
    known: LaterFiles | None,
    files: Files,
    change_text: Callable[[PlanChanged, Input, CheckpointStore], str],
) -> Iterator[Report]:
    """Run one input after the other, and yield a report for each; an input that fails does not stop the others."""
    command = None
    log = None if limits.joblog is None else JobLog(limits.joblog, request.command, inputs, screen)
    if request.command:
        on_end = log.write if log else None
        about = request.command, request.answers
        command = Command(*about, cost=limits.cost, timeout_seconds=limits.timeout, on_end=on_end, say=screen.note)
    kill = command.kill if command else lambda: None
    interrupts = RunInterrupts(kill, quiet=screen.err.is_interactive)
    failures = FailureWatch(limits.halt, kill, screen.note, limits.ends_at_first_failure)
    try:
        opened = open_for_run(request, inputs, log, limits.only)
    except AllRefusedError as refused:
        for source, reason in zip(inputs, refused.reasons, strict=True):
            yield Report(printable(source.path), UNUSABLE, error=reason)
        return
    with NOTICES.at_work(), opened as store, log.opened(store) if log else nullcontext(), interrupts:
        for source in inputs:
            is_in_vain = command is not None and command.is_in_vain
            if interrupts.requested or limits.are_over or files.is_paused or failures.is_over or is_in_vain:
                code = INTERRUPTED if interrupts.stops_now else PAUSED
                yield _not_begun(source, code)
                continue
            begun = request.as_begun(source, store, store.path)
            if begun.content.reader is None and source.content.reader is not None:
                screen.note(_goes_on_as_text(source))
            clean = command or _built_in_cleaner(begun.content.cleaned or (), log)
            context = RunContext(clean, limits, interrupts, screen, failures, files)
            try:
                task = request.task_of(begun, store, store.path)
                behind = inputs[len(files.reports) + 1 :]
                later = LaterFiles.of([each.path for each in behind]) if known is None else known
                yield do_task(store, dataclasses.replace(task, words=words_of(source.path), later=later), context)
            except PlanChanged as error:
                yield Report(printable(source.path), UNUSABLE, error.job_id, error=change_text(error, begun, store))
            except UnusableOutputError as error:
                yield Report(printable(source.path), UNUSABLE, error=str(error))


def _goes_on_as_text(source: Input) -> str:
    reader = source.content.reader
    way_out = f"--fresh begins a job that reads it as {reader!r}"
    return f"{input_text(source.path)}: its job reads it as plain text, and goes on; {way_out}"


def _built_in_cleaner(cleaned: Sequence[str], log: JobLog | None) -> Clean:
    """Return the cleaner that gives each chunk its part of the cleaned whole."""

    def clean(*_: object) -> tuple[dict[str, Any], str]:
        return {TEXT_FIELD: cleaned[current_attempt().chunk_index]}, ""

    return log.logged(clean) if log else clean
