"""Whether a run that would begin a store is refused, and a notice of results in another store."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store import CheckpointStore, CheckpointStoreError
from checkpoint_store.cli.paths import STANDARD, job_name, path_text, printable, shell_words
from checkpoint_store.cli.run.opening import open_job
from checkpoint_store.cli.run.outputs.output import UnusableOutputError
from checkpoint_store.cli.run.task import refuse_output
from checkpoint_store.cli.screen import Screen, chunk_count
from checkpoint_store.cli.stand_in import open_or_create
from checkpoint_store.errors import PlanChanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.joblog import JobLog
    from checkpoint_store.cli.run.request import Request


def say_which_store_has(files: Iterable[Path], store: CheckpointStore) -> None:
    """Print the notice, before anything is paid for, at the first of the files for which another store has results."""
    by_store: dict[Path, list[Path]] = {}
    for file in files:
        if file != STANDARD and not store.jobs(file_name=job_name(file, store.path)):
            for other in _stores_above(file, store.path):
                by_store.setdefault(other, []).append(file)
    for other, new in by_store.items():
        if (known := _first_with_results(other, new)) is not None:
            file, count = known
            option = shell_words(["--store", os.path.relpath(other)])
            has = f"the store {printable(other)} has results for {chunk_count(count)} of this file"
            Screen().note(f"{path_text(file)}: {has}; to go on there, stop this run and add {option}")
            return


def _stores_above(file: Path, but: Path) -> list[Path]:
    """Return the stores with the name of this store in the folder of a file, and in the folders above it."""
    folder = Path(os.path.realpath(file.parent))
    places = [place / but.name for place in (folder, *folder.parents)]
    return [place for place in places if place != Path(os.path.realpath(but)) and place.is_file()]


def _first_with_results(path: Path, files: Iterable[Path]) -> tuple[Path, int] | None:
    """Return the first of the files of which a store has results, and for how many chunks; None if it has none."""
    try:
        with warnings.catch_warnings(), CheckpointStore(path, state_file=None, read_only=True) as store:
            warnings.simplefilter("ignore")  # they are for those who work with that store
            for file in files:
                jobs = store.jobs(file_name=job_name(file, path))
                if count := max((job.progress().completed_chunks for job in jobs), default=0):
                    return file, count
    except CheckpointStoreError:  # it is another user's, or damaged: this run does not need it
        return None
    return None


_MAY_BE_SECRET: Final = re.compile(
    r"key|token|secret|passw|bearer|auth|cred|://|(?=[\w+-]*[a-z])(?=[\w+-]*\d)[\w+-]{16}", re.IGNORECASE
)
_MAY_BE_OF_A_STORE: Final = re.compile(
    r"\.(?:db|json|bak|lock|open|outputs)$|-(?:wal|shm|journal)$|"
    r"\.(?:runner|unrecorded|backup|tmp|corrupt|replaced)-|\.recovered"
)
"""A name that a file of some store may have; see :meth:`CheckpointStore.owner_of`."""


class AllRefusedError(Exception):
    """No input of a run would be begun; ``reasons`` has the reason for each input, in their order."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


def open_for_run(
    request: Request, inputs: Sequence[Input], log: JobLog | None, only: ChunkRanges | None
) -> CheckpointStore:
    """Open the store of a run, or raise :class:`AllRefusedError`, because the output of every input is in the way.

    A run that is refused begins no store and no job log.
    """

    def first_look(trial: CheckpointStore) -> None:
        path = Path(request.store_path).absolute()
        if log is not None:
            log.refuse_if_owned(trial, path)
        reasons = []
        for source in inputs:
            begun = request.as_begun(source, trial, path)
            if only is not None:
                only.check(begun)
            try:
                task = request.task_of(begun, trial, path)
                refuse_output(trial, task, trial.plan(task.file_name, chunks=task.chunks, **task.settings))
                open_job(trial, task, only)
            except UnusableOutputError as error:
                reasons.append(str(error))
            except PlanChanged:  # the job came from a state file: the run itself reports the change
                return
            else:
                return
        raise AllRefusedError(reasons)

    is_suspicious = _may_be_refused(request, inputs, log, only)
    store = open_or_create(request.store_path, first_look if is_suspicious else None)
    try:
        _check_only(request, inputs, store, only)
        say_which_store_has((source.path for source in inputs), store)
    except BaseException:
        store.close()
        raise
    return store


def _check_only(request: Request, inputs: Sequence[Input], store: CheckpointStore, only: ChunkRanges | None) -> None:
    if only is not None:
        for source in inputs:
            only.check(request.as_begun(source, store, store.path))


def _may_be_refused(request: Request, inputs: Sequence[Input], log: JobLog | None, only: ChunkRanges | None) -> bool:
    outputs = [source.output for source in inputs if source.output != STANDARD]
    files = [*outputs, *([] if log is None else [log.path])]
    stem = Path(request.store_path).name.removesuffix(".db")
    words = (*request.command, request.title, request.model, request.provider, request.language)
    return (
        bool(request.reuse_ignoring)
        or any(os.path.lexists(path) for path in outputs)
        or any(path.name.startswith(stem) or _MAY_BE_OF_A_STORE.search(path.name) for path in files)
        or (only is not None and any(only.last >= len(source.content.chunks) for source in inputs))
        or any(_MAY_BE_SECRET.search(word) for word in words if word)
    )
