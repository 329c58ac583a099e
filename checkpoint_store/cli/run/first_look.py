"""Whether a run that would begin a store is refused: then no store is begun, and "Nothing was done" is true.

The run is tried on a stand-in for the store. A trial takes a sixth of a second, so it is made only where something may
be refused: an output that exists, a name of the store's own files, a word that may be a secret.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.paths import STANDARD
from checkpoint_store.cli.run.memory import open_job
from checkpoint_store.cli.run.outputs.output import UnusableOutputError
from checkpoint_store.cli.run.store_elsewhere import say_which_store_has
from checkpoint_store.cli.run.task import refuse_output
from checkpoint_store.cli.stand_in import open_or_create
from checkpoint_store.errors import PlanChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store import CheckpointStore
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges
    from checkpoint_store.cli.run.inputs import Input
    from checkpoint_store.cli.run.joblog import JobLog
    from checkpoint_store.cli.run.request import Request

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
    """Open the store of a run; create a missing store only if the run is not refused.

    Raises:
        AllRefusedError: the output of every input is in the way. No store is begun.
        click.UsageError: the input has not all chunks of ``only``. No store and no job log is begun.
        CheckpointStoreError, click.ClickException: as opening the store, or the job of the first input.
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
