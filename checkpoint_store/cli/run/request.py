"""The request of a person to ``run`` or ``plan``: FILE, COMMAND, and the options that both commands take."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.paths import STANDARD, input_text, is_program, job_name, owner_of, printable
from checkpoint_store.cli.run import inputs as run_inputs
from checkpoint_store.cli.run.command.answer import TEXT_FIELD, AnswerReader
from checkpoint_store.cli.run.inputs import Content, UnusableInputError, cleaned_content, read_inputs
from checkpoint_store.cli.run.outputs import output as output_text
from checkpoint_store.cli.run.outputs.log import OutputLog
from checkpoint_store.cli.run.outputs.output import OutputFile, StandardOutput, UnusableOutputError
from checkpoint_store.cli.run.plan_options import CHUNK_SIZE_MAX
from checkpoint_store.cli.run.task_records import Task
from checkpoint_store.cli.transcripts.clean import CLEANER_NAME
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError, read_text
from checkpoint_store.cli.transcripts.reading.transcript import Transcript, read_transcript
from checkpoint_store.cli.transcripts.split import TextChunk, UnknownTokenizerError, split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from checkpoint_store import CheckpointStore, RunPlan
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.outputs.output import Output
    from checkpoint_store.cli.screen import Screen

_COMMAND_KEY: Final = "checkpoint_store.command"
_CHUNK_SIZE_DEFAULT: Final = 2000
_OVERLAP_DEFAULT: Final = 200
_OF_TEXT: Final = ("chunk_size", "overlap", "unit", "tokenizer", "plain_text")
_OF_COMMANDS: Final = ("result_field", "raw", "sequential")


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """The files to work on, how they are cut into chunks, the COMMAND for a chunk, and where the text goes."""

    files: tuple[Path, ...]
    command: tuple[str, ...]
    split: str
    chunk_size: int
    unit: str
    tokenizer: str | None
    overlap: int
    language: str | None
    encoding: str | None
    plain_text: bool
    title: str | None = None
    model: str | None = None
    provider: str | None = None
    result_field: str | None = None
    sequential: bool = False
    raw: bool = False
    output: Path | None = None
    force: bool = False
    store_path: str = ""
    on_change: str = "refuse"
    reuse_ignoring: tuple[str, ...] = ()
    fresh: bool = False

    def settings_of(self, source: Input) -> dict[str, Any]:
        """Return the arguments of ``open_job`` besides the file and its chunks."""
        return {
            "video_title": self.title,
            "model": self.model,
            "provider": self.provider,
            "config": self._config(source.content),
            "fingerprint": attrgetter("content") if self.command else source.content.fingerprint,
            "sequential": self.sequential,
            "on_change": self.on_change,
            "reuse_ignoring": (*self.reuse_ignoring, "config.reader"),  # a chunk that reads the same is the same
            "fresh": self.fresh,
        }

    def plan_of(self, source: Input, store: CheckpointStore, store_path: Path, **changed: Any) -> RunPlan:
        """Return what opening the job of an input would do, with other values for some of the arguments."""
        arguments = {"chunks": source.content.chunks, **self.settings_of(source), **changed}
        return store.plan(job_name(source.path, store_path), **arguments)

    def _config(self, content: Content) -> dict[str, Any]:
        cut: dict[str, Any] = {"split": self.split}
        if self.split == "text":
            cut = {"chunk_size": self.chunk_size, "overlap": self.overlap}
        if self.tokenizer is not None:
            cut |= {"unit": self.unit, "tokenizer": self.tokenizer}
        cleaner = list(map(printable, self.command)) if self.command else CLEANER_NAME
        more = {"result_field": self.result_field, "raw": self.raw, "reader": content.reader}
        return cut | {"language": content.language, "cleaner": cleaner} | {name: it for name, it in more.items() if it}

    @property
    def answers(self) -> AnswerReader:
        """The reader of what COMMAND prints."""
        return AnswerReader(self.result_field or TEXT_FIELD, raw=self.raw, for_records=self.split != "text")

    def read(self, path: Path) -> Content:
        """Read one input."""
        if self.split != "text":
            return Content(self._records(path), self.language)
        transcript = read_transcript(path, self.encoding, as_plain_text=self.plain_text)
        return self._content(transcript)

    def as_begun(self, source: Input, store: CheckpointStore, store_path: Path) -> Input:
        """Return an input as its newest job read it, if that job goes on with it; else the input.

        Which files are read in a format of their own, and the version of a reader, differ between versions of the
        package. The chunks of such a job are paid for: it goes on as plain text, or with the same chunks.
        """
        if self.fresh or source.content.plain_text is None:
            return source
        name = job_name(source.path, store_path)
        newest = next(iter(store.jobs(file_name=name)), None)
        if newest is None or newest.config.get("reader") == source.content.reader:
            return source
        reader = newest.config.get("reader")
        content = dataclasses.replace(source.content, reader=reader)
        if reader is None:
            content = self._content(Transcript(source.content.plain_text, None))
        begun = dataclasses.replace(source, content=content)
        run_plan = self.plan_of(begun, store, store_path, on_change="refuse")
        return begun if run_plan.job_id == newest.job_id else source

    def _content(self, transcript: Transcript) -> Content:
        chunks = split(transcript.text, chunk_size=self.chunk_size, overlap=self.overlap, tokenizer=self.tokenizer)
        if not self.command:
            return cleaned_content(transcript, chunks, self.language)
        return Content(chunks, self.language, transcript.reader, transcript.plain_text)

    def _records(self, path: Path) -> list[TextChunk]:
        try:
            text = read_text(path, self.encoding)
            is_tabbed = path.suffix.lower() == ".tsv"
            chunks = run_inputs.lines(text) if self.split == "lines" else run_inputs.rows(text, tabbed=is_tabbed)
        except run_inputs.UnreadableRecordsError as error:
            raise UnreadableTranscriptError(f"{input_text(path)}: {error}") from error
        if not chunks:
            what = "line" if self.split == "lines" else "row"
            raise UnreadableTranscriptError(f"{input_text(path)} has no {what} in it")
        return chunks

    def task_of(self, source: Input, store: CheckpointStore, store_path: Path) -> Task:
        """Return the work on one input, or raise :class:`UnusableOutputError` if its output belongs to any store."""
        name = job_name(source.path, store_path)
        return Task(
            path=source.path,
            chunks=source.content.chunks,
            output=self._output_of(source, name, store, store_path),
            file_name=name,
            settings=self.settings_of(source),
            join=output_text.joined if self.split == "text" else output_text.lines,
            is_raw=self.raw,
        )

    def _output_of(self, source: Input, name: str, store: CheckpointStore, store_path: Path) -> Output:
        if source.output == STANDARD:
            return StandardOutput()
        log = OutputLog(store_path)
        owner = store_path if source.output.absolute() == log.path else owner_of(store, store_path, source.output)
        if owner is not None:
            belongs = f"{printable(source.output)} belongs to the store {printable(owner)}"
            raise UnusableOutputError(f"{belongs}; name another file with --output")
        job_ids = {job.job_id for job in store.jobs(file_name=name)}
        return OutputFile(source.output, name, job_ids, log, force=self.force)


def cuts_files(settings: Mapping[str, Any]) -> bool:
    """Return whether settings say how files are cut; a program may have other values under these names."""
    size, overlap, split = settings.get("chunk_size"), settings.get("overlap"), settings.get("split", "text")
    has_sizes = type(size) is int and type(overlap) is int and 0 < size <= CHUNK_SIZE_MAX and overlap >= 0
    names = (settings.get("tokenizer"), settings.get("language"))
    return (split in ("lines", "csv") or (split == "text" and has_sizes)) and all(
        isinstance(name, str | None) for name in names
    )


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


def request_of(ctx: click.Context, *, chunk_size: int | None, overlap: int | None, **options: Any) -> Request:
    """Return the request that the options make, or raise if they do not go together."""
    command = ctx.meta[_COMMAND_KEY]
    _check_options(ctx, has_command=bool(command), **options)
    chunk_size = _CHUNK_SIZE_DEFAULT if chunk_size is None else chunk_size
    if overlap is None:
        overlap = _OVERLAP_DEFAULT if options["tokenizer"] else min(_OVERLAP_DEFAULT, chunk_size // 10)
    return Request(command=command, chunk_size=chunk_size, overlap=overlap, **options)


def _check_options(ctx: click.Context, *, has_command: bool, **options: Any) -> None:
    if options["split"] != "text":
        _refuse_given(ctx, _OF_TEXT, "is for --split text.")
        if not has_command:
            raise click.UsageError("--split lines and --split csv need a COMMAND; the built-in cleaner is for prose.")
    if (options["unit"] == "tokens") != (options["tokenizer"] is not None):
        raise click.UsageError("--unit tokens and --tokenizer MODEL go together.")
    if not has_command:
        _refuse_given(ctx, _OF_COMMANDS, "is for a COMMAND.")
    if options["raw"] and options["result_field"] is not None:
        raise click.UsageError("--raw and --result-field exclude each other.")


def _refuse_given(ctx: click.Context, names: tuple[str, ...], reason: str) -> None:
    for name in names:
        if ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} {reason}")


def checked_inputs(request: Request, screen: Screen) -> list[Input]:
    """Read every input; raise before any work is done if one of them cannot be run."""
    if len(request.files) > 1 and (request.output or request.title):
        raise click.UsageError("--output and --title are for one FILE.")
    program = next(filter(is_program, request.files[1:]), None)
    if program is not None and not request.command:  # it would be cleaned as a text is
        raise click.UsageError(f"{printable(program)} is a program, and no text.")
    try:
        inputs, skipped = read_inputs(request.files, request.output, request.read)
    except UnknownTokenizerError as error:
        raise click.BadParameter(
            f"{error}; name an OpenAI model, or a tokenizer.json", param_hint="--tokenizer"
        ) from error
    except UnusableInputError as error:
        raise click.ClickException(str(error)) from error
    for path, what in skipped.items():
        screen.note(f"{printable(path)} is {what}; passed over", style="dim")
    return inputs
