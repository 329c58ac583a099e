"""The command group; it turns every error into a message and an exit code."""

from __future__ import annotations

import gc
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.paths import command_hint, dash_hint
from checkpoint_store.errors import CheckpointStoreError, StoreTargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.cli.screen import Screen

_USAGE: Final = 2
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141  # the exit code of a program that SIGPIPE ended


NAMES: Final = {
    "run": ("run", "resume"),
    "plan": ("plan",),
    "jobs": ("list", "show", "results", "export", "import", "delete"),
    "chunks": ("chunks", "errors", "retry", "pause"),
    "report": ("report",),
    "runners": ("release",),
    "machines": ("merge", "prune"),
    "schema": ("migrate", "path"),
    "health": ("backup", "restore", "recover", "check", "doctor"),
    "neighbours": ("datasette-metadata",),
}
"""The commands of each module, in the order in which people use them."""


def commands_of(module: str) -> tuple[click.Command, ...]:
    """Return the commands of a module, which is imported only now: most of them need a good deal."""
    match module:
        case "run":
            from checkpoint_store.cli.run.resume import COMMANDS
        case "plan":
            from checkpoint_store.cli.run.plan import COMMANDS
        case "jobs":
            from checkpoint_store.cli.inspect.jobs import COMMANDS
        case "chunks":
            from checkpoint_store.cli.inspect.chunks import COMMANDS
        case "report":
            from checkpoint_store.cli.inspect.report import COMMANDS
        case "runners":
            from checkpoint_store.cli.inspect.runners import COMMANDS
        case "machines":
            from checkpoint_store.cli.maintain.machines import COMMANDS
        case "schema":
            from checkpoint_store.cli.maintain.schema import COMMANDS
        case "neighbours":
            from checkpoint_store.cli.inspect.neighbours import COMMANDS
        case _:
            from checkpoint_store.cli.maintain.health import COMMANDS
    return COMMANDS


class _Group(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for names in NAMES.values() for name in names]

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        module = next((module for module, names in NAMES.items() if name in names), None)
        with _without_collecting():
            commands = commands_of(module or "run")
        return next((command for command in commands if command.name == name), None)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Import without the garbage collector: it would go through all that SQLAlchemy defines again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="checkpoint-store", message="%(package)s %(version)s")
def group() -> None:
    """Resume a long chunk-by-chunk job after anything; no finished chunk is paid for twice.

    Exit codes: 0 done, 1 a chunk failed, 2 usage or store error, 75 paused,
    130 interrupted twice.
    """


def run_command_line(argv: Sequence[str]) -> int:
    """Run ``argv`` (its first word is the program), print any error, and return the exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes them by position
        try:
            returned = group.main(list(argv[1:]), prog_name=_program_name(argv[0]), standalone_mode=False)
        except click.UsageError as error:
            error.show()
            hint = dash_hint(argv) if isinstance(error, click.NoSuchOption) else None
            hint = hint or command_hint(argv)
            if hint is not None:
                _screen().note(hint)
            return _USAGE
        except (click.ClickException, CheckpointStoreError, OSError) as error:
            _screen().error(_message(error))
            return _USAGE
        except (click.Abort, KeyboardInterrupt):
            return _INTERRUPTED
        except SystemExit:  # click and rich exit so at a broken pipe: head or less has closed it
            return _BROKEN_PIPE
    return returned if isinstance(returned, int) else 0


def _message(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, StoreTargetError) and "://" not in error.target and not os.path.lexists(error.target):
        return f"{error}; begin one with: checkpoint-store run FILE, or name another with --store"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _screen() -> Screen:
    from checkpoint_store.cli.screen import Screen

    return Screen()


def _show_warning(message: Warning | str, *_: object) -> None:
    _screen().note(f"checkpoint-store: {message}", style="yellow")


def _program_name(first: str) -> str:
    return "python -m checkpoint_store" if Path(first).name == "__main__.py" else "checkpoint-store"
