"""The command group; it turns every error into a message and an exit code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.inspect import chunks, jobs, runners
from checkpoint_store.cli.maintain import health, schema
from checkpoint_store.cli.run import plan
from checkpoint_store.cli.run.run import run
from checkpoint_store.cli.screen import Screen
from checkpoint_store.errors import CheckpointStoreError, StoreTargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE: Final = 2
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141  # the exit code of a program that SIGPIPE ended


class _Group(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which people use them


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="checkpoint-store", message="%(package)s %(version)s")
def group() -> None:
    """Resume a long chunk-by-chunk job after anything; no finished chunk is paid for twice.

    Exit codes: 0 done, 1 a chunk failed, 2 usage or store error, 75 paused,
    130 interrupted twice.
    """


for command in (
    run,
    *plan.COMMANDS,
    *jobs.COMMANDS,
    *chunks.COMMANDS,
    *runners.COMMANDS,
    *schema.COMMANDS,
    *health.COMMANDS,
):
    group.add_command(command)


def run_command_line(argv: Sequence[str]) -> int:
    """Run ``argv`` (its first word is the program), print any error, and return the exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes them by position
        try:
            returned = group.main(list(argv[1:]), prog_name=_program_name(argv[0]), standalone_mode=False)
        except click.UsageError as error:
            error.show()
            return _USAGE
        except (click.ClickException, CheckpointStoreError, OSError) as error:
            Screen().error(_message(error))
            return _USAGE
        except (click.Abort, KeyboardInterrupt):
            return _INTERRUPTED
        except SystemExit:  # click and rich exit so at a broken pipe: head or less has closed it
            return _BROKEN_PIPE
    return returned if isinstance(returned, int) else 0


def _message(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, StoreTargetError) and "://" not in error.target and not Path(error.target).exists():
        return f"{error}; begin one with: checkpoint-store run FILE, or name another with --store"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _show_warning(message: Warning | str, *_: object) -> None:
    Screen().note(f"checkpoint-store: {message}", style="yellow")


def _program_name(first: str) -> str:
    return "python -m checkpoint_store" if Path(first).name == "__main__.py" else "checkpoint-store"
