"""The commands that look after a store file: backup, restore, recover, check, doctor."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import click
from rich.text import Text

from checkpoint_store import RecoveryReport, recover_store, restore_store
from checkpoint_store import doctor as examine
from checkpoint_store.cli.options import json_option, open_for_reading, print_json, store_option
from checkpoint_store.cli.screen import Screen
from checkpoint_store.errors import StoreDamaged

_LEVELS: Final = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@click.command("backup")
@click.argument("destination", metavar="DEST", type=click.Path())
@click.option("--force", is_flag=True, help="Replace DEST whatever it is.")
@store_option
@json_option
def backup(*, destination: str, force: bool, store: str, as_json: bool) -> None:
    """Copy the store to DEST, also while it is running.

    The copy is verified before it counts, and readable by you alone. What is
    at DEST is replaced only where it is an earlier copy of the same store.
    """
    with open_for_reading(store) as opened:
        made = opened.backup(destination, replace=force)
    if as_json:
        print_json({"backup": str(made), "size_bytes": made.stat().st_size})
    else:
        Screen().note(f"{made}: {made.stat().st_size:,} bytes, verified")


@click.command("restore")
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, dir_okay=False))
@store_option
@json_option
def restore(*, source: str, store: str, as_json: bool) -> None:
    """Put the backup SOURCE in the place of the store.

    What is there is moved aside first, never deleted.
    """
    moved = restore_store(source, store)
    if as_json:
        print_json({"restored": source, "moved_aside": [str(path) for path in moved]})
        return
    Screen().note(f"{store} is restored from {source}")
    for path in moved:
        Screen().note(f"  moved aside  {path.name}")


@click.command("recover")
@click.option("--accept-loss", is_flag=True, help="Go on although completed chunks cannot be brought back.")
@store_option
@json_option
def recover(*, accept_loss: bool, store: str, as_json: bool) -> int:
    """Make a damaged store anew from every surviving copy.

    Copies are what still reads of it, its backups, the state file and its .bak.
    The damaged files are moved aside, never deleted.
    """
    report = recover_store(store, accept_loss=accept_loss)
    if as_json:
        print_json(_report(report))
    else:
        Screen().note(str(report))
    return 1 if report.lost_chunks else 0


def _report(report: RecoveryReport) -> dict[str, Any]:
    jobs = [dataclasses.asdict(job) | {"sources": dict(job.sources)} for job in report.jobs]
    return {"store": str(report.path), "jobs": jobs, "moved_aside": [str(path) for path in report.moved_aside]}


@click.command("check")
@store_option
@json_option
def check(*, store: str, as_json: bool) -> int:
    """Compare everything in the store with everything else.

    Exit 0: sound. Exit 1: something is wrong. Nothing is written.
    """
    try:
        with open_for_reading(store) as opened:
            found = [str(problem) for problem in opened.check()]
    except StoreDamaged as error:
        found = [str(error)]
    if as_json:
        print_json({"store": store, "sound": not found, "problems": found})
    elif found:
        for line in found:
            Screen().error(line)
    else:
        Screen().note(f"{store} is sound")
    return 1 if found else 0


@click.command("doctor")
@store_option
@json_option
def doctor(*, store: str, as_json: bool) -> int:
    """Say all that can be said of the store's health. Nothing is written.

    Exit 1 where there is a problem.
    """
    findings = examine(store)
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        screen = Screen()
        for finding in findings:
            screen.out.print(_line(finding.level, finding.what, finding.says), soft_wrap=True)
            if finding.remedy and finding.level != "ok":
                screen.out.print(Text(f"{'':9}{'':16}{finding.remedy}", style="dim"), soft_wrap=True)
    return 1 if any(finding.level == "problem" for finding in findings) else 0


def _line(level: str, what: str, says: str) -> Text:
    return Text.assemble((f"{level:<9}", _LEVELS[level]), f"{what:<16}", says)


COMMANDS: Final = (backup, restore, recover, check, doctor)
