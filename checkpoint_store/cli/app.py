"""The command group; it turns every error into a message and an exit code."""

from __future__ import annotations

import gc
import shutil
import sys
import warnings
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store import __version__
from checkpoint_store.cli.early import asks_for_json, what_to_install
from checkpoint_store.cli.ended import EXIT_PAUSED, Terminated, ended_by_signals
from checkpoint_store.cli.messages import message_of, spoken
from checkpoint_store.cli.notices import NOTICES, saying_waits
from checkpoint_store.cli.paths import store_named_by
from checkpoint_store.cli.stdout import begin_document, print_error, unsayable_message
from checkpoint_store.errors import CheckpointStoreError, JobNotFound, ResultsElsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from checkpoint_store.cli.screen import Screen

_FAULT: Final = 1  # the exit code of every Python program that ends with a traceback
_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130
_HELP_WIDTH_MAX: Final = 80
_SCREEN_WIDTH_MIN: Final = 30
"""On a narrower screen the screen breaks the lines. The least width of click is 50: wider than a telephone's screen."""
_HELP_WIDTH_MIN: Final = 60
"""On a narrower screen what a term means stands below the term, unless the term is very short."""
_TERM_WIDTH_MIN: Final = 10
_WHOLE_SENTENCE: Final = 200
"""More characters than the first sentence of any command's help has: it is wrapped, and not cut off."""
_BROKEN_PIPE: Final = 141  # the exit code of a program that SIGPIPE ended


_SECTIONS: Final = {
    "Work": {
        "run": "run.run",
        "resume": "run.resume",
        "plan": "run.plan",
        "retry": "inspect.chunks",
        "redo": "inspect.chunks",
        "pause": "inspect.chunks",
        "release": "maintain.machines",
    },
    "Look": {
        "list": "inspect.jobs",
        "show": "inspect.jobs",
        "results": "inspect.jobs",
        "export": "inspect.jobs",
        "chunks": "inspect.chunks",
        "errors": "inspect.chunks",
        "report": "inspect.report",
        "path": "maintain.schema",
        "datasette-metadata": "maintain.schema",
    },
    "Care": {
        "import": "inspect.jobs",
        "delete": "inspect.jobs",
        "merge": "maintain.machines",
        "prune": "maintain.machines",
        "migrate": "maintain.schema",
        "backup": "maintain.health",
        "restore": "maintain.health",
        "recover": "maintain.health",
        "check": "maintain.health",
        "doctor": "maintain.health",
    },
}
"""The sections of ``--help``, and the commands of each with their modules, in the order in which people use them."""
MODULES: Final = {name: module for commands in _SECTIONS.values() for name, module in commands.items()}
"""The module of each command. It is imported with its command: most modules need other large modules."""


class _Formatter(click.HelpFormatter):
    """Writes help. On a narrow screen options stand above what they do: beside them, words would be broken."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = min(shutil.get_terminal_size().columns, max_width or _HELP_WIDTH_MAX)
        super().__init__(indent_increment, width or max(columns - 2, _SCREEN_WIDTH_MIN), max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they mean."""
        super().write_dl(rows, col_max if self.width >= _HELP_WIDTH_MIN else min(col_max, _TERM_WIDTH_MIN), col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class _Group(click.Group):
    context_class = _Context

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in MODULES:
            return None
        with _without_collecting():
            module = import_module(f"checkpoint_store.cli.{MODULES[name]}")
        commands = (value for value in vars(module).values() if isinstance(value, click.Command))
        command = next(command for command in commands if command.name == name)
        command.context_class = _Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections: to work on chunks, to look at the store, and to take care of it."""
        for section, names in _SECTIONS.items():
            commands = [command for name in names if (command := self.get_command(ctx, name))]
            with formatter.section(section):
                formatter.write_dl(
                    [(command.name or "", command.get_short_help_str(_WHOLE_SENTENCE)) for command in commands],
                    col_max=max(map(len, MODULES)),
                )


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Import without the garbage collector: it would go through all that the modules define again and again.

    What is imported stays to the end of the process, so no later collection goes through it either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="checkpoint-store %(version)s")
def group() -> None:
    """Resume a long chunk-by-chunk job after anything; no finished chunk is paid for twice.

    Exit codes: 0 done, 1 a chunk failed, 2 usage or store error, 75 paused,
    130 interrupted (run: twice), 143 ended by SIGTERM. A run does not end by
    SIGTERM: it finishes what is in hand, and ends with 75.
    """


def run_command_line(argv: Sequence[str]) -> int:
    """Run ``argv`` (its first word is the program), print any error, and return the exit code."""
    begin_document()
    NOTICES.begin()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _note(spoken(str(message)), "yellow")
        warnings.simplefilter("ignore", ResultsElsewhere)  # run says it in words of its own
        try:
            with ended_by_signals(argv), saying_waits(lambda text: _note(spoken(text, store_named_by(argv)), "dim")):
                return _run(argv)
        except Terminated as ended:
            if ended.exit_code == EXIT_PAUSED:
                _screen().error(str(ended))
            return _failed(argv, ended, ended.exit_code)


def _run(argv: Sequence[str]) -> int:
    try:
        returned = group.main(list(argv[1:]), prog_name=_program_name(argv[0]), standalone_mode=False)
    except (click.ClickException, CheckpointStoreError, OSError) as error:
        _show_error(error, argv)
        return _failed(argv, error, _EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _failed(argv, KeyboardInterrupt("interrupted"), _EXIT_INTERRUPTED)
    except UnicodeEncodeError as error:
        _screen().error(unsayable_message(error))
        return _failed(argv, error, _EXIT_USAGE)
    except Exception as error:
        need = what_to_install(error)
        if need is not None:  # without the screen, whose module may be what is missing
            NOTICES.write(f"checkpoint-store: {need}\n")
            return _failed(argv, ModuleNotFoundError(need), _EXIT_USAGE)
        # A fault of the program: its traceback follows on stderr.
        _failed(argv, error, _FAULT)
        raise
    except SystemExit as left:  # click and rich exit with 1 at a broken pipe: head or less has closed it
        return _BROKEN_PIPE if left.code else 0  # 0: the shell was told how to complete a word
    return returned if isinstance(returned, int) else 0


def _show_error(error: Exception, argv: Sequence[str]) -> None:
    """Print an error for people, and what to type in place of a line that is not understood, where that is known."""
    hint = None
    if isinstance(error, click.ClickException | JobNotFound):
        from checkpoint_store.cli.hints import hint_of, output_hint

        hint = output_hint(error, argv) or (None if isinstance(error, JobNotFound) else hint_of(error, argv))
    if isinstance(error, click.UsageError):
        error.show(NOTICES)  # type: ignore[arg-type]  # it has what click needs of a stream
    else:
        _screen().error(message_of(error, store_named_by(argv)))
    if hint is not None:
        _screen().note(hint)


def _failed(argv: Sequence[str], error: BaseException, code: int) -> int:
    """Print the error as JSON too where the command line asks for JSON: a program reads stdout. Return the code."""
    if asks_for_json(argv):
        with suppress(OSError):  # nobody reads stdout, or writing to it has failed
            by_signal = isinstance(error, Terminated | KeyboardInterrupt)
            print_error(message_of(error, store_named_by(argv)), type(error).__name__, code, by_signal=by_signal)
    return code


def _screen() -> Screen:
    from checkpoint_store.cli.screen import Screen

    return Screen()


def _note(text: str, style: str) -> None:
    _screen().note(f"checkpoint-store: {text}", style=style)


def _program_name(first: str) -> str:
    """Return the beginning of the command line, as it was typed: a machine may have ``python3`` alone."""
    if Path(first).name != "__main__.py":
        return "checkpoint-store"
    python, *options = sys.orig_argv
    is_as_typed = ("-m", "checkpoint_store") in pairwise(options) and " " not in python
    return f"{python if is_as_typed else 'python3'} -m checkpoint_store"
