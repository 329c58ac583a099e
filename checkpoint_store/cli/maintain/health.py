"""The commands about the health of a store file: ``backup``, ``restore``, ``recover``, ``check`` and ``doctor``."""

from __future__ import annotations

import dataclasses
import time
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

import click
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from checkpoint_store import Finding, migration_status, recover_store, restore_store
from checkpoint_store import doctor as examine
from checkpoint_store.cli.messages import spoken
from checkpoint_store.cli.options import open_for_reading, store_command
from checkpoint_store.cli.paths import FileOrDash, path_text, typed_line
from checkpoint_store.cli.screen import PIPE_WIDTH, Screen, counted
from checkpoint_store.cli.stdout import print_json
from checkpoint_store.cli.table import print_table
from checkpoint_store.errors import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console


_FIRST_LINE_SECONDS: Final = 1.0
"""A check that is over sooner prints no progress."""
_TERMINAL_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 10.0


@contextmanager
def saying_how_far(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with the number of jobs that were checked, and of all jobs."""
    is_screen, is_shown = console.is_interactive, False
    due_at = time.monotonic() + (_FIRST_LINE_SECONDS if is_screen else _LINE_SECONDS)

    def say(checked: int, jobs: int) -> None:
        nonlocal due_at, is_shown
        moment = time.monotonic()
        if moment >= due_at:
            due_at = moment + (_TERMINAL_SECONDS if is_screen else _LINE_SECONDS)
            text = f"checked {checked:,} of {counted(jobs, 'job')}"
            console.file.write(f"\r\x1b[K{text}" if is_screen else f"{text}\n")
            console.file.flush()
            is_shown = True

    try:
        yield say
    finally:
        if is_screen and is_shown:  # remove the line
            console.file.write("\r\x1b[K")
            console.file.flush()


_WIDTH_MIN: Final = 60
"""The narrowest screen on which what a finding says stands beside what it is about."""
_LEVELS: Final = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@store_command("backup")
@click.argument("destination", metavar="DEST", type=FileOrDash(is_named=True))
@click.option("--force", is_flag=True, help="Replace any file at DEST.")
def backup(*, destination: Path, force: bool, store_path: str, as_json: bool) -> None:
    """Copy the store to DEST; runs may go on meanwhile.

    The copy is verified, and only you can read it. If it has damaged results,
    as the store then has, that is said. A file at DEST is replaced only if it
    is an earlier copy of the same store.
    """
    with open_for_reading(store_path) as store:
        copy = store.backup(destination, replace=force)
        problems = store.check()  # the copy has the same pages; its name may leave no room to open it as a store
    if as_json:
        print_json({"backup": str(copy), "size_bytes": copy.stat().st_size})
    else:
        verdict = "damaged in part, as the store is" if problems else "verified"
        Screen().note(f"{path_text(copy)}: {decimal(copy.stat().st_size)}, {verdict}")
    if problems:
        Screen().note(f"See the problems: {typed_line(['check'], store_path)}")


@store_command("restore")
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, dir_okay=False))
def restore(*, source: str, store_path: str, as_json: bool) -> None:
    """Replace the store by the backup SOURCE.

    The files of the present store are moved aside, never deleted. If it has
    completed chunks that SOURCE lacks, a warning names the command that brings
    them back.
    """
    moved = restore_store(source, store_path)
    schema = migration_status(store_path)
    if as_json:
        print_json({"restored": source, "moved_aside": [str(path) for path in moved], "schema": schema.current})
        return
    Screen().note(f"{store_path} is restored from {source}")
    if schema.pending:
        opens = (
            "the version that wrote it can open it; this version upgrades it when it is opened, or now with: "
            f"{typed_line(['migrate'], store_path)}"
        )
        Screen().note(f"  it has the older schema {schema.current}: {opens}")
    for path in moved:
        Screen().note(f"  moved aside  {path.name}")


@store_command("recover")
@click.option("--accept-loss", is_flag=True, help="Recover even if completed chunks are lost by it.")
def recover(*, accept_loss: bool, store_path: str, as_json: bool) -> int:
    """Rebuild a damaged store from every surviving copy.

    The copies are the readable rows of the damaged file, the backups, the state
    file and its .bak. The damaged files are moved aside, never deleted.
    """
    report = recover_store(store_path, accept_loss=accept_loss)
    if as_json:
        jobs = [dataclasses.asdict(job) | {"sources": dict(job.sources)} for job in report.jobs]
        moved = [str(path) for path in report.moved_aside]
        facts = {"store": str(report.path), "jobs": jobs, "moved_aside": moved}
        print_json(facts | {"not_taken": list(report.not_taken)})
    else:
        Screen().note(spoken(str(report)))
    return 1 if report.lost_chunks else 0


@store_command("check")
def check(*, store_path: str, as_json: bool) -> int:
    """Check the whole store for contradictions and damage.

    A check that takes long says on stderr how far it is.
    Exit 0: the store is sound. Exit 1: something is wrong. Nothing is written.
    """
    try:
        with open_for_reading(store_path) as store, saying_how_far(Screen().err) as say:
            problems = [spoken(str(problem)) for problem in store.check(on_progress=say)]
    except StoreDamaged as error:
        problems = [spoken(str(error))]
    if as_json:
        print_json({"store": store_path, "sound": not problems, "problems": problems})
    elif problems:
        for line in problems:
            Screen().error(line)
    else:
        Screen().note(f"{store_path} is sound")
    return 1 if problems else 0


@store_command("doctor")
def doctor(*, store_path: str, as_json: bool) -> int:
    """Examine the store, its files and this machine.

    Nothing is written. Exit 1 if there is a problem.
    """
    with saying_how_far(Screen().err) as say:
        findings = [
            dataclasses.replace(finding, says=spoken(finding.says), remedy=finding.remedy and spoken(finding.remedy))
            for finding in examine(store_path, on_progress=say)
        ]
    if as_json:
        print_json(list(map(dataclasses.asdict, findings)))
    else:
        screen = Screen()
        for finding, following in zip_longest(findings, findings[1:]):
            _print_finding(screen.out, finding)
            is_said_below = following is not None and following.remedy == finding.remedy
            if finding.remedy and finding.level != "ok" and not is_said_below:
                remedy = f"{'':{_indent_of(screen.out)}}{finding.remedy}"
                screen.out.print(Text(remedy, style="dim"), soft_wrap=True)
    return 1 if any(finding.level == "problem" for finding in findings) else 0


def _indent_of(console: Console) -> int:
    """Return the column in which what a finding says begins; on a narrow screen, below what it is about."""
    return 25 if console.width >= _WIDTH_MIN else 2


def _print_finding(console: Console, finding: Finding) -> None:
    """Print a finding, its lines broken between words on a screen. A remedy is printed apart, as one line to copy."""
    head = Text.assemble((f"{finding.level:<9}", _LEVELS[finding.level]), f"{finding.what:<16}")
    says, indent = Text(finding.says, overflow="fold"), _indent_of(console)
    if console.width >= PIPE_WIDTH or "checkpoint-store " in says.plain:  # a command is copied as one line, too
        console.print(head.append_text(says), soft_wrap=True)
        return
    row = Table.grid()
    row.add_column(width=indent)
    if indent < len(head):
        console.print(head, soft_wrap=True)
        head = Text()
    row.add_row(head, says)
    print_table(console, row)
