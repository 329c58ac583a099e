"""The command about runners: ``release``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import click

from checkpoint_store.cli.options import (
    WholeNumber,
    chosen_job,
    job_argument,
    json_option,
    open_for_writing,
    print_json,
    store_option,
)
from checkpoint_store.cli.screen import Screen, chunk_count

if TYPE_CHECKING:
    from checkpoint_store import RunnerRecord


@click.command("release")
@job_argument()
@click.option("--runner", required=True, type=WholeNumber(min=1), metavar="N", help="The runner's number, from show.")
@store_option
@json_option
def release(*, job_id: str | None, runner: int, store_path: str, as_json: bool) -> None:
    """Give the chunks of a stopped runner of JOB to others.

    Use this for a process that was stopped, or a container that was paused, for
    good. The chunks of a killed process are free without this. If the process goes
    on after all, the chunks that it has in hand may be paid for twice; it starts no
    further chunk.
    """
    with open_for_writing(store_path) as store:
        job = chosen_job(store, job_id)
        released = {record.runner: record for record in job.runners()}.get(runner)
        freed = job.release_runner(runner)
    assert released is not None  # else release_runner has raised
    if as_json:
        print_json({"job_id": job.job_id, "freed_chunks": freed, **dataclasses.asdict(released)})
        return
    note = f"released runner {runner} of job {job.job_id[:8]}: others can work on its {chunk_count(freed)}"
    Screen().note(note)
    if released.is_alive:
        Screen().note(f"checkpoint-store: {_risk(released)}", style="yellow")


def _risk(released: RunnerRecord) -> str:
    where = f"process {released.pid} on {released.host}"
    return f"{where} is not dead: if it goes on, the chunks in its hand may be paid for twice. End that process."


COMMANDS: Final[tuple[click.Command, ...]] = (release,)
