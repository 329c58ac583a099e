"""The command line that goes on with a run: the run's own words, or a ``resume``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.options import NO_LIMIT
from checkpoint_store.cli.paths import as_argument, shell_words
from checkpoint_store.cli.run.plan_options import OPEN_AMOUNT, OPEN_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store.cli.run.request import Request
    from checkpoint_store.cli.run.several import Files

_NOT_REPEATED: Final = frozenset({"fresh", "on_change", "reuse_ignoring", "as_json"})
NOT_REMEMBERED: Final = _NOT_REPEATED | {"store_path", "only"}
"""The options that a job does not remember of the command line of its last run."""
_GIVEN: Final = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
"""The sources of an option that a line has to repeat: another shell has another environment."""
GOES_ON_WITH: Final = "checkpoint_store.goes_on_with"
"""The key under which ``resume`` hands the run that it calls its own line, which goes on when it is typed again."""
FOLDER: Final = "checkpoint_store.folder"
"""The key for the folder that ``resume`` changed to, if it was typed in another folder."""
OPENED: Final = {"max_cost": "--max-cost", "cost": "--cost"}
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
    if GOES_ON_WITH in ctx.meta:
        return " ".join([ctx.meta[GOES_ON_WITH], *(f"{OPENED[name]} {value}" for name, value in is_open.items())])
    words = words_of_line(ctx, request, request.files, _NOT_REPEATED, is_open)
    return shell_words([*str(ctx.find_root().info_name).split(), "run", *words])


def line_of_run(ctx: click.Context, request: Request, files: Sequence[Path], *options: str) -> str | None:
    """Return the ``run`` line of these files with options that ``resume`` lacks, if ``resume`` is in use; else None."""
    if GOES_ON_WITH not in ctx.meta:
        return None
    words = words_of_line(ctx, request, files, _NOT_REPEATED)
    run = shell_words([*str(ctx.find_root().info_name).split(), "run", *options, *words])
    return f"{shell_words(['cd', ctx.meta[FOLDER]])} && {run}" if FOLDER in ctx.meta else run


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
