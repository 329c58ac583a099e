"""The command ``redo``: complete chunks are done again by the next run, and keep their results until then."""

from __future__ import annotations

import click

from checkpoint_store.cli.job_choice import chosen_job
from checkpoint_store.cli.options import open_for_writing, print_json
from checkpoint_store.cli.paths import on_one_line
from checkpoint_store.cli.run.chosen_chunks import NamedChunks, takes_chunks
from checkpoint_store.cli.run.resume_line import resume_line
from checkpoint_store.cli.screen import Screen, chunk_count
from checkpoint_store.cli.typed_line import typed_line


@click.command("redo")
@takes_chunks
def redo(wanted: NamedChunks) -> None:
    """Have complete CHUNKS of JOB done again, such as 3-7.

    The next run does them, as chunks that are left. The result of each stays until
    its new result is there; what it cost stays counted.
    """
    if not wanted.are_any:
        taken = "" if wanted.job_id is None else f" ({wanted.job_id} is taken for JOB.)"
        raise click.UsageError(f"name the chunks to do again: JOB 3-7, --chunks 3-7 or --key KEY.{taken}")
    with open_for_writing(wanted.store_path) as store:
        job = chosen_job(store, wanted.job_id)
        count = job.redo(wanted.of(job))
        to_redo, line = job.to_redo(), resume_line(job, wanted.store_path)
    if wanted.as_json:
        print_json({"job_id": job.job_id, "marked_chunks": count, "redo_chunks": to_redo, "resume": line})
        return
    name = f"job {job.job_id[:8]} ({on_one_line(job.file_name)})"
    if count:
        Screen().note(
            f"{chunk_count(count)} of {name} will be done again by the next run; "
            "each earlier result stays until the new result is there"
        )
    else:
        Screen().note(f"nothing changed: these chunks of {name} were to be done again already")
    if line is None:
        run = typed_line(["run"], wanted.store_path, "FILE")
        Screen().note(f"go on as you began the job: with the program that opened it, or with {run}")
    else:
        Screen().out.print(f"go on with: {line}", soft_wrap=True, markup=False, highlight=False)
