"""The arguments FILE and COMMAND, and the options that make a job's plan; ``run`` and ``plan`` share them."""

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
    from checkpoint_store.cli.transcripts.read import TranscriptChunk

_COMMAND_KEY: Final = "checkpoint_store.command"
_DEFAULT_OVERLAP: Final = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """The files to clean, the command that cleans them, and how they are cut into chunks."""

    files: tuple[Path, ...]
    command: tuple[str, ...]
    chunk_size: int
    overlap: int
    title: str | None
    model: str | None
    provider: str | None
    language: str
    store_path: str
    on_change: str
    reuse_ignoring: tuple[str, ...]
    fresh: bool

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of ``open_job`` besides the file and its chunks."""
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
            "fingerprint": _text_of,  # where a chunk stands in the transcript does not count
            "on_change": self.on_change,
            "reuse_ignoring": self.reuse_ignoring,
            "fresh": self.fresh,
        }

    def chunks_of(self, source: Input) -> list[TranscriptChunk]:
        """Return the chunks of one input."""
        return split(source.text, chunk_size=self.chunk_size, overlap=self.overlap)


def _text_of(chunk: TranscriptChunk) -> str:
    return chunk.text


class FileCommand(click.Command):
    """A command that takes the words after ``--`` as COMMAND; click would take them for more files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take COMMAND out of the arguments."""
        ctx.meta[_COMMAND_KEY] = ()
        if "--" in args:
            position = args.index("--")
            args, command = args[:position], args[position + 1 :]
            if not command:
                raise click.UsageError("after -- comes the COMMAND to clean with.", ctx)
            ctx.meta[_COMMAND_KEY] = tuple(command)
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the place of COMMAND."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] FILE... [-- COMMAND [ARG]...]")


_OPTIONS: Final = (
    click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)),
    click.option(
        "--chunk-size",
        metavar="N",
        type=click.IntRange(min=1),
        default=2000,
        help="The most characters of a chunk.  [default: 2000]",
    ),
    click.option(
        "--overlap",
        metavar="N",
        type=click.IntRange(min=0),
        help="Begin each chunk with up to N characters of the chunk before, for context; the output has them once.  "
        "[default: 200, or a tenth of a chunk size below 2000]",
    ),
    click.option("--title", help="The title of the talk."),
    click.option("--model", help="The model that COMMAND uses; another model is another plan."),
    click.option("--provider", help="Who runs the model."),
    click.option("--language", default="en", show_default=True, help="What is spoken."),
    store_option,
    click.option(
        "--on-change",
        type=click.Choice(["refuse", "reuse", "restart"]),
        default="refuse",
        show_default=True,
        help="If the file or an option changed since its last job: stop; do only the changed chunks; do all chunks.",
    ),
    click.option(
        "--reuse-ignoring",
        metavar="FIELD",
        multiple=True,
        help="With --on-change reuse: keep also results that differ in model, provider or config.KEY (repeatable).",
    ),
    click.option("--fresh", is_flag=True, help="Begin a new job even if one could go on."),
)


def request_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add FILE... and the options that make a plan; pass their values to :func:`request_of`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def workers_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--workers N``."""
    return click.option("--workers", metavar="N", type=click.IntRange(min=1), default=1, show_default=True, help=text)


def request_of(ctx: click.Context, *, overlap: int | None, **options: Any) -> Request:
    """Return the request that the options make."""
    if overlap is None:
        overlap = min(_DEFAULT_OVERLAP, options["chunk_size"] // 10)
    if 2 * overlap > options["chunk_size"]:
        raise click.UsageError("--overlap can be half of --chunk-size at most.")
    return Request(command=ctx.meta[_COMMAND_KEY], overlap=overlap, **options)


def checked_inputs(request: Request, screen: Screen, output: Path | None = None) -> list[Input]:
    """Read every input; raise before any work is done if one of them cannot be run."""
    if len(request.files) > 1 and (output or request.title):
        raise click.UsageError("--output and --title are for one FILE.")
    try:
        inputs, skipped = read_inputs(request.files, output)
    except (UnusableInputError, UnreadableTranscriptError, UnusableOutputError) as error:
        raise click.ClickException(str(error)) from error
    for path in skipped:
        screen.note(f"{path} is what another FILE was cleaned to; passed over", style="dim")
    return inputs
