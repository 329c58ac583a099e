"""The line that goes on with a run or a job, as ``run``, ``show``, ``redo`` and ``resume`` print it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.options import NO_LIMIT
from checkpoint_store.cli.paths import STANDARD, as_argument, shell_words, typed_line
from checkpoint_store.cli.run.chunk_ranges import ChunkRanges, ChunkRangesType
from checkpoint_store.cli.run.command.answer import OtherFormError
from checkpoint_store.cli.run.memory import MEMORY, RESUMED, Resumed, memory_of
from checkpoint_store.cli.run.plan_options import FIELD_OF_TEXT, HIGHER_AMOUNT, OPEN_AMOUNT, OPEN_FIELD
from checkpoint_store.errors import BudgetReached, CostUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store import Job
    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.cli.run.run_context import Files


def resume_line(job: Job, store_path: str, *, only: ChunkRanges | None = None, failed: bool = False) -> str | None:
    """Return the command that goes on with a job; None where the job does not remember how it is run.

    Where the last run was given a part of the chunks (``--only``), and the part has chunks to do, the command keeps to
    the part: another machine may be paying for the others. A failed chunk has used up its tries: it is not to do.
    ``only`` is the part of a run that has not begun; None for that of the last run. With ``failed``, the command also
    frees the chunks that used up their tries.
    """
    memory = memory_of(job.metadata)
    if memory is None:
        return None
    words = ["resume", job.job_id[:8], *(["--failed"] if failed else [])]
    part = ChunkRangesType().convert(memory["only"], None, None) if only is None and "only" in memory else only
    if part is not None and part.count_left(job) > sum(record.chunk_index in part for record in job.failed_chunks()):
        words += ["--only", str(part)]
    return typed_line(words, store_path)


def resume_lines(job: Job, store_path: str, *, failed_chunks: int, chunks_left: int) -> list[str]:
    """Return the lines with which ``show`` tells how to go on: with the chunks left, and with the failed ones, too.

    While a runner works on the job, nobody has to go on with it.
    """
    line = resume_line(job, store_path)
    if line is None or not chunks_left or job.is_active:
        return []
    if opened := _with_open_value(job, line):
        return [opened]
    if not failed_chunks:
        return [f"go on with: {line}"]
    again = resume_line(job, store_path, failed=True)
    if failed_chunks == chunks_left:
        return [f"try again with: {again}"]  # to go on would pass over all that is left
    return [f"go on with: {line}", f"with the failed chunks, too: {again}"]


def _with_open_value(job: Job, line: str) -> str | None:
    """Return the words that leave a value open, if the last run ended so that the line as it was would be in vain."""
    ended, words = job.error_message or "", job.metadata[MEMORY]["words"]
    if ended.startswith(OtherFormError.__name__):
        return f"go on with {FIELD_OF_TEXT}: {line} --result-field {OPEN_FIELD}"
    if "--max-cost" in words and ended.startswith(BudgetReached.__name__):
        return f"go on with {HIGHER_AMOUNT}: {line} --max-cost {OPEN_AMOUNT}"
    if "--max-cost" in words and ended.startswith(CostUnknown.__name__):
        return f"go on with the {OPEN_FIELD} that holds the cost: {line} --cost {OPEN_FIELD}"
    return None


_NOT_REPEATED: Final = frozenset({"fresh", "on_change", "reuse_ignoring", "as_json"})
NOT_REMEMBERED: Final = _NOT_REPEATED | {"store_path", "only"}
"""The options that a job does not remember of the command line of its last run."""
_GIVEN: Final = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
"""The sources of an option that a line has to repeat: another shell has another environment."""
OPENED: Final = {"max_cost": "--max-cost", "cost": "--cost", "result_field": "--result-field"}
"""The options whose values a line may leave open; ``resume`` has these options, too."""


def line_to_go_on(ctx: click.Context, request: Request, files: Files) -> str:
    """Return the command that goes on: this command line without options that begin a job, or the ``resume`` in use.

    If going on needs another value of an option, the line leaves the value open: typed unchanged, the line is refused,
    and pays for nothing.
    """
    is_open: dict[str, str] = {}
    if any(report.over_budget for report in files.reports):
        is_open["max_cost"] = OPEN_AMOUNT
    if any(report.cost_unknown for report in files.reports):
        is_open["cost"] = OPEN_FIELD
    if any(report.is_misread for report in files.reports):
        is_open["result_field"] = OPEN_FIELD
    if resumed := ctx.meta.get(RESUMED):
        return " ".join([resumed.line, *(f"{OPENED[name]} {value}" for name, value in is_open.items())])
    return _run_line(ctx, request.files, words_of_line(ctx, request, request.files, _NOT_REPEATED, is_open))


def line_of_run(ctx: click.Context, request: Request, files: Sequence[Path], *options: str) -> str | None:
    """Return the ``run`` line of these files with options that ``resume`` lacks, if ``resume`` is in use; else None."""
    resumed: Resumed | None = ctx.meta.get(RESUMED)
    if resumed is None:
        return None
    run = _run_line(ctx, files, [*options, *words_of_line(ctx, request, files, _NOT_REPEATED)])
    return f"{shell_words(['cd', resumed.folder])} && {run}" if resumed.folder else run


def _run_line(ctx: click.Context, files: Sequence[Path], words: Sequence[str]) -> str:
    """Return the ``run`` line of these words. Standard input is given again: the store keeps no text."""
    line = shell_words([*str(ctx.find_root().info_name).split(), "run", *words])
    return f"{line} < FILE" if STANDARD in files else line


def words_of_line(
    ctx: click.Context,
    request: Request,
    files: Sequence[Path],
    left_out: frozenset[str],
    is_open: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the words of this command line for these files; ``is_open`` has the words that stand for open values."""
    words, is_open = list(map(as_argument, files)), is_open or {}
    for parameter in ctx.command.params:
        name = str(parameter.name)
        given = ctx.get_parameter_source(name) in _GIVEN
        if isinstance(parameter, click.Option) and (given or name in is_open) and name not in left_out:
            text = is_open.get(name) or _command_line_text(ctx.params[name])
            words += [parameter.opts[-1], *([] if parameter.is_flag else [text])]
    if request.command:
        words += ["--", *request.command]
    return words


def _command_line_text(value: object) -> str:
    if value is None:  # an option that was given, and takes a limit back
        return NO_LIMIT
    if isinstance(value, Path):
        return as_argument(value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
