"""The command ``resume``: what a job remembers of the command that runs it, and how it goes on."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkpoint_store import JobStatus
from checkpoint_store.cli.early import own_words
from checkpoint_store.cli.options import (
    NO_LIMIT,
    FiniteNumberOrNone,
    chosen_job,
    job_argument,
    open_to_go_on,
    store_command,
)
from checkpoint_store.cli.paths import STANDARD, current_folder, printable, typed_line
from checkpoint_store.cli.run.chunk_ranges import ChunkRangesType
from checkpoint_store.cli.run.go_on_lines import OPENED, resume_line
from checkpoint_store.cli.run.memory import (
    RESUMED,
    LaterFiles,
    NotBegun,
    Resumed,
    as_moved,
    as_seen_from,
    memory_of,
    not_begun,
)
from checkpoint_store.cli.run.outputs.log import OutputLog
from checkpoint_store.cli.run.plan_options import checked_field
from checkpoint_store.cli.run.run import run
from checkpoint_store.cli.screen import Screen
from checkpoint_store.cli.stdout import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges


@store_command("resume")
@job_argument
@click.option("--failed", is_flag=True, help="Also try again the chunks that used up their tries.")
@click.option(
    "--only",
    metavar="RANGES",
    type=ChunkRangesType(),
    help="Work on these chunks alone, such as 0-499 or 3,7,20-29.  [default: all that are left]",
)
@click.option(
    "--max-cost",
    metavar="AMOUNT",
    type=FiniteNumberOrNone(),
    help="Take this budget, not the last run's; see run --max-cost. none: no limit.",
)
@click.option(
    "--cost", metavar="FIELD", callback=checked_field, help="Take this field, not the last run's; see run --cost."
)
@click.option(
    "--result-field",
    metavar="NAME",
    callback=checked_field,
    help="Take the text from this field, not from the last run's; see run --result-field.",
)
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    *,
    job_id: str | None,
    failed: bool,
    only: ChunkRanges | None,
    store_path: str,
    as_json: bool,
    **changed: Any,
) -> Any:
    """Go on with JOB, or the newest unfinished job.

    The COMMAND, the options and the folder of its last run are used, but not its
    --only: all chunks that are left are done. If all chunks are done and the file
    with the text is missing, the text is written.
    """
    with open_to_go_on(store_path) as store:
        wanted = chosen_job(store, job_id) if job_id is not None else next(iter(store.incomplete_jobs()), None)
        job = wanted or chosen_job(store, None)  # which refuses a store without a job
        if _is_complete(job) and not _lacks_text(job, store):
            return _say_complete(wanted, _later_of(store, job, store_path), as_json=as_json)
        memory, later = _memory_of(job, store, store_path), _later_of(store, job, store_path)
        is_here = Path(memory["folder"]).samefile(current_folder())
        words = ["--store", store_path if is_here else str(store.path.absolute()), *(["--json"] if as_json else [])]
        line = str(resume_line(job, store_path, only=only))
        part_line = resume_line(job, store_path) or ""
    if only is not None:
        words += ["--only", str(only)]
    elif "only" in memory:
        to_the_part = f". To keep to the part: {part_line}" if "--only" in part_line else ""
        Screen().note(
            f"its last run worked on --only {memory['only']}; this run works on all that is left{to_the_part}"
        )
    file_name, *others = memory["words"]
    words += [as_seen_from(Path(memory["folder"]), file_name) if is_here else file_name, *_changed(others, changed)]
    os.chdir(memory["folder"])
    ctx.meta[RESUMED] = Resumed(
        line=line,
        folder=None if is_here else memory["folder"],
        later=LaterFiles.remembered(memory),
        not_begun=later.paths if later else (),
        frees_failed=failed,
    )
    try:
        with run.make_context("run", words, parent=ctx.parent) as run_context:
            code = run.invoke(run_context)
    except click.UsageError as error:
        error.ctx = ctx  # its usage is that of the command that was typed
        raise
    if later and later.note:
        Screen().note(later.note)
    return code


def _is_complete(job: Job) -> bool:
    return job.status is JobStatus.COMPLETED and not job.progress().remaining_chunks


def _lacks_text(job: Job, store: CheckpointStore) -> bool:
    """Whether a complete job that remembers its command has no text: it could not be written, or was removed."""
    memory = memory_of(job.metadata)
    if memory is None or job.superseded_by is not None or as_moved(memory, job, store) is None:
        return False
    is_printed = ("--output", str(STANDARD)) in pairwise(own_words(memory["words"]))
    return not is_printed and not OutputLog(store.path).has_text_of(job.job_id)


def _changed(words: list[str], changed: Mapping[str, Any]) -> list[str]:
    """Return the options and COMMAND of a line with other values for options.

    An option of the value None stays as it was. ``NO_LIMIT`` drops ``--max-cost``; for ``--cost`` it is a field's name.
    """
    options = own_words(words)
    command = words[len(options) :]
    for name, value in changed.items():
        option = OPENED[name]
        if value is not None:
            if option in options:
                del options[options.index(option) : options.index(option) + 2]
            is_dropped = name == "max_cost" and value == NO_LIMIT
            options += [] if is_dropped else [option, str(value)]
    return options + command


def _later_of(store: CheckpointStore, job: Job | None, store_path: str) -> NotBegun | None:
    """Return the files that a job's last run did not begin; None where it does not remember its command."""
    memory = None if job is None else memory_of(job.metadata)
    if job is None or memory is None:
        return None
    moved = as_moved(memory, job, store)
    if moved is None or not Path(moved["folder"]).is_dir():
        return None
    return not_begun(store, job.job_id, moved, store_path)


def _say_complete(job: Job | None, later: NotBegun | None, *, as_json: bool) -> int:
    if as_json:
        summary = {"files_not_begun": list(later.paths) if later else []}
        print_json({"job_id": None if job is None else job.job_id, "exit_code": 0, "jobs": [], "summary": summary})
        return 0
    which = "every job that is not superseded" if job is None else f"job {job.job_id[:8]}"
    Screen().note(f"{which} is complete: there is nothing to go on with")
    if later and later.note:
        Screen().note(later.note)
    return 0


def _memory_of(job: Job, store: CheckpointStore, store_path: str) -> dict[str, Any]:
    memory = memory_of(job.metadata)
    if memory is None:
        if job.file_name == str(STANDARD):
            line = typed_line(["run", str(STANDARD)], store_path, "[OPTIONS] [-- COMMAND] < FILE")
            raise click.ClickException(
                f"job {job.job_id[:8]} is the job of standard input, whose text the store does not keep; go on with "
                f"the same text, options and COMMAND: {line}"
            )
        raise click.ClickException(
            f"job {job.job_id[:8]} does not remember its command: a program or an earlier version began it, or the "
            "command holds a secret; go on as you began the job: with the program that opened it, or with "
            f"{typed_line(['run'], store_path, 'FILE', '[-- COMMAND]')}"
        )
    moved = as_moved(memory, job, store)
    if moved is None:
        raise click.ClickException(
            f"job {job.job_id[:8]} is the job of {job.file_name}. Its last run read {memory['words'][0]}, and this "
            "store has another name for that file: as another job, each chunk would be paid for again. Move the store "
            "back to the folder where it was"
        )
    if not Path(moved["folder"]).is_dir():
        line = typed_line(["run"], store_path, "FILE", "[-- COMMAND]")
        gone = f"the folder of its last run, {printable(moved['folder'])}, is no longer there"
        raise click.ClickException(f"{gone}; put it back, or go on with: {line}")
    return moved
