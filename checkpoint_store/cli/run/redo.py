"""The command ``redo``: complete chunks are done again by the next run, and keep their results until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from checkpoint_store.cli.chosen_chunks import chosen_chunks, chunks_options
from checkpoint_store.cli.job_choice import chosen_job
from checkpoint_store.cli.options import (
    job_argument,
    json_option,
    open_for_writing,
    print_json,
    store_option,
)
from checkpoint_store.cli.paths import on_one_line
from checkpoint_store.cli.run.resume_line import resume_line
from checkpoint_store.cli.screen import Screen, chunk_count
from checkpoint_store.cli.typed_line import typed_line

if TYPE_CHECKING:
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges


@click.command("redo")
@job_argument()
@chunks_options
@store_option
@json_option
def redo(
    *,
    job_id: str | None,
    named: tuple[ChunkRanges, ...],
    chunks: ChunkRanges | None,
    keys: tuple[str, ...],
    store_path: str,
    as_json: bool,
) -> None:
    """Have complete CHUNKS of JOB done again, such as 3-7.

    The next run does them, as chunks that are left. The result of each stays until
    its new one is there; what it cost stays counted.
    """
    if chunks is None and not named and not keys:
        taken = "" if job_id is None else f" ({job_id} is taken for JOB.)"
        raise click.UsageError(f"name the chunks to do again: JOB 3-7, --chunks 3-7 or --key KEY.{taken}")
    with open_for_writing(store_path) as store:
        job = chosen_job(store, job_id)
        count = job.redo(chosen_chunks(job, (*named, chunks), keys))
        to_redo, line = job.to_redo(), resume_line(job, store_path)
    if as_json:
        print_json({"job_id": job.job_id, "marked_chunks": count, "redo_chunks": to_redo, "resume": line})
        return
    name = f"job {job.job_id[:8]} ({on_one_line(job.file_name)})"
    if count:
        Screen().note(
            f"{chunk_count(count)} of {name} will be done again by the next run; "
            "each earlier result stays until the new one is there"
        )
    else:
        Screen().note(f"nothing changed: these chunks of {name} were to be done again already")
    if line is None:
        run = typed_line(["run"], store_path, "FILE")
        Screen().note(f"go on as you began the job: with the program that opened it, or with {run}")
    else:
        Screen().out.print(f"go on with: {line}", soft_wrap=True, markup=False, highlight=False)
