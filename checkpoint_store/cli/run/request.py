"""What is asked of FILEs, by every command that takes some: the options that make a job's plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.options import store_option
from checkpoint_store.cli.run.inputs import UnusableInputError, read_inputs
from checkpoint_store.cli.transcripts.clean import CLEANER_NAME
from checkpoint_store.cli.transcripts.read import UnreadableTranscriptError, split
from checkpoint_store.cli.transcripts.write import UnusableOutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.screen import Screen
    from checkpoint_store.cli.transcripts.read import Piece

_COMMAND: Final = "checkpoint_store.command"
_DEFAULT_OVERLAP: Final = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is to be cleaned, by what, and how it is cut."""

    files: tuple[Path, ...]
    command: tuple[str, ...]
    chunk_size: int
    overlap: int
    title: str | None
    model: str | None
    provider: str | None
    language: str
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

    def pieces(self, item: Input) -> list[Piece]:
        """Return the chunks of one input."""
        return split(item.text, chunk_size=self.chunk_size, overlap=self.overlap)


class FileCommand(click.Command):
    """Takes what follows ``--`` as COMMAND before click can take it for more files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take COMMAND out."""
        ctx.meta[_COMMAND] = ()
        if "--" in args:
            position = args.index("--")
            args, command = args[:position], args[position + 1 :]
            if not command:
                raise click.UsageError("after -- comes the COMMAND to clean with.", ctx)
            ctx.meta[_COMMAND] = tuple(command)
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show where COMMAND stands."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] FILE... [-- COMMAND [ARG]...]")


_OPTIONS: Final = (
    click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)),
    click.option(
        "--chunk-size",
        metavar="N",
        type=click.IntRange(min=1),
        default=2000,
        help="Characters of a chunk, at most.  [default: 2000]",
    ),
    click.option(
        "--overlap",
        metavar="N",
        type=click.IntRange(min=0),
        help="Characters of the chunk before that a chunk starts with, for context; the output has them once.  "
        "[default: 200, or a tenth of a chunk size below 2000]",
    ),
    click.option("--title", help="The title of the talk."),
    click.option("--model", help="The model that COMMAND uses; another one is another plan."),
    click.option("--provider", help="Who runs the model."),
    click.option("--language", default="en", show_default=True, help="What is spoken."),
    store_option,
    click.option(
        "--on-change",
        type=click.Choice(["refuse", "reuse", "restart"]),
        default="refuse",
        show_default=True,
        help="If the file or an option changed since its last job: say so; do the changed chunks only; do all.",
    ),
    click.option("--fresh", is_flag=True, help="Begin a new job whatever there is."),
)


def request_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add FILE... and the options that make a plan; :func:`request_of` takes them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def workers_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--workers N``."""
    return click.option("--workers", metavar="N", type=click.IntRange(min=1), default=1, show_default=True, help=text)


def request_of(ctx: click.Context, *, overlap: int | None, **given: Any) -> Request:
    """Return what the options ask for."""
    if overlap is None:
        overlap = min(_DEFAULT_OVERLAP, given["chunk_size"] // 10)
    if 2 * overlap > given["chunk_size"]:
        raise click.UsageError("--overlap can be half of --chunk-size at most.")
    return Request(command=ctx.meta[_COMMAND], overlap=overlap, **given)


def checked_inputs(request: Request, screen: Screen, output: Path | None = None) -> list[Input]:
    """Read every input, and refuse all of them if one cannot be run."""
    if len(request.files) > 1 and (output or request.title):
        raise click.UsageError("--output and --title are for one FILE.")
    try:
        inputs, passed_over = read_inputs(request.files, output)
    except (UnusableInputError, UnreadableTranscriptError, UnusableOutputError) as error:
        raise click.ClickException(str(error)) from error
    for path in passed_over:
        screen.note(f"{path} is what another FILE was cleaned to; passed over", style="dim")
    return inputs
