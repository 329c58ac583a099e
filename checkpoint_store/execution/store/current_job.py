"""The current job of a store as a whole state, for :class:`StateManager`."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, StateFormatError
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.execution import JobExecution
from checkpoint_store.model.codec.json_text import unchanged
from checkpoint_store.model.frozen import thaw
from checkpoint_store.model.records import chunks_text
from checkpoint_store.model.state.state import ProcessingState
from checkpoint_store.storage.records.saved_state import Looked
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log, log_and_warn, log_suppressed

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.records.records import JobRecord, Known, StatusChange
    from checkpoint_store.storage.records.saved_state import Saved


def checked_state(state: object) -> ProcessingState:
    """Return a state that may be saved, checked: a secret in its error message is replaced by ``"[redacted]"``."""
    with importing():
        from checkpoint_store.model.codec.secrets import redact_text, reject_secrets  # only writers need it

    if not isinstance(state, ProcessingState):
        raise InvalidArgumentError("state", state, "is not a ProcessingState")
    for field in fields(state)[len(fields(ProcessingState)) :]:
        raise StateFormatError(field.name, "is a field of a subclass, which is not saved: keep its value in metadata")
    reject_secrets(thaw(state.config))
    reject_secrets(thaw(state.metadata), "metadata")
    message = state.error_message
    if message is None or redact_text(message) == message:
        return state
    return state.replace(error_message=redact_text(message))


class CurrentJob:
    """The current job of one open store. Safe to share between threads."""

    def __init__(self, context: StoreContext) -> None:
        self._context: Final = context
        self._has_told_of_another = False
        self._set_meanwhile: Final[deque[tuple[str, StatusChange]]] = deque(maxlen=1)
        """The last status that a signal handler set, and its job. A save that it interrupted has an older status."""

    def keep_previous_states(self) -> None:
        """Let ``.bak`` show the state before the last one until the store is closed, also after a job's end."""
        if self._context.state_file is not None:
            self._context.state_file.keeps_previous = True

    def has(self, job_id: str) -> bool:
        """Whether the store has a job of this id."""
        return self._context.reading.jobs.total_chunks(job_id) > 0

    def row(self, chunk_index: int | None = None) -> tuple[str, int, str, str | None] | None:
        """Return id, number of chunks and status of the current job, and a chunk's digest; None: no current job."""
        self._context.pauses.record_before()
        return self._context.storage.states.current_row(chunk_index)

    def state(self, known: Known | None) -> Known | None:
        """Return the state of the current job, results included; ``known`` itself if the store is unchanged."""
        self._context.pauses.record_before()
        self._context.record_unrecorded()  # or the caller would pay again for a result that is kept
        return self._context.storage.states.current(known)

    def save(self, state: ProcessingState, known: Known | None, looked: Looked) -> Saved:
        """Make a state the current job. Chunks that are complete in the store and not in the state stay complete.

        Durable when this returns; :meth:`show` writes the state file. :func:`checked_state` made ``state``. ``known``
        is what this method, or :meth:`state`, returned last: what did not change since is not written. A result that
        the caller was given before, and that was replaced since, is not put back. If another job took the place of the
        caller's own job (``replaced_by``), the state is recorded, and its job does not become current. If
        the store does not have the job, nothing is written, and :class:`CurrentJobChanged` is raised.
        """
        self._context.pauses.record_before()
        self._set_meanwhile.clear()
        try:
            saved = self._context.storage.states.save(state, known, looked)
        except CheckpointStoreError as error:
            self._keep_new(error, state, known)
            raise
        if saved.outdated:
            chunks = ", ".join(map(str, saved.outdated))
            log.info("job %s: chunks with a newer result than the saved state has keep it: %s", state.job_id, chunks)
        if looked.own_job_id != state.job_id:
            return saved._replace(over=[])
        return saved._replace(over=[index for index in saved.over if not looked.recorded.has(state.job_id, index)])

    def _keep_new(self, error: CheckpointStoreError, state: ProcessingState, known: Known | None) -> None:
        """Keep the results of new chunks in a state that the store could not take; a note of the error says where.

        Nothing is kept if earlier results of the state stand at other chunks than in the store: its pairing is unsure.
        Nor if the state changes the plan: the store has the earlier plan, and the results were not made for it.
        """
        with suppress(CheckpointStoreError):
            earlier = known or self._context.storage.states.current(None)
            if earlier is None or earlier.state.job_id != state.job_id or _changes_plan(state, earlier.state):
                return
            before, results = earlier.state.results(), state.results()
            new = results.keys() - set(earlier.state.completed_chunks)
            if not new or unchanged(before, results) != before.keys() & results.keys():
                return
            execution = JobExecution(self._context, state.job_id, earlier.state.total_chunks)
            self._context.unrecorded.keep_by_hand(
                error, [execution.completion(index, thaw(results[index]), replace=True) for index in sorted(new)]
            )

    def is_of_another(self, job_id: str, chunk_index: int, looked: Looked) -> bool:
        """Whether another program recorded the result of a chunk since the caller loaded or saved the job."""
        return looked.is_of_another(job_id, chunk_index, self._context.reading.results.digest(job_id, chunk_index))

    def warn_of_another(self, job_id: str, chunk_index: int) -> None:
        """Warn, once, that another program works on the job. Call this after recording: the warning may raise."""
        has_told, self._has_told_of_another = self._has_told_of_another, True
        if not has_told:
            why = "two programs that work on one job at the same time pay for its chunks twice; end one of them"
            notice = f"another program recorded chunk {chunk_index} of job {job_id} meanwhile: {why}"
            log_and_warn(notice, UserWarning)

    def warn_of_replaced(self, job_id: str, own_job_id: str | None) -> None:
        """Warn once that another program's job became current in place of this program's job (None: unknown).

        Call this after recording: the warning may raise.
        """
        if own_job_id in (None, job_id) or self._has_told_of_another:
            return
        self._has_told_of_another = True
        why = "results are recorded in the current job: keep one StateManager for a whole run, which knows its job"
        notice = f"another program made job {job_id} the current job in the place of job {own_job_id}; {why}"
        log_and_warn(notice, UserWarning)

    def _tell_of(self, earlier: JobRecord, job_id: str) -> None:
        """Warn, and log, that a job has results already: the new job pays for them again.

        The processor of that job was killed, perhaps; or the state file had another input in between.
        """
        done = f"{earlier.completed_count:,} of {chunks_text(earlier.total_chunks)}"
        total_chunks = self._context.reading.jobs.total_chunks(job_id)
        done += "" if total_chunks == earlier.total_chunks else f" (the new job has {total_chunks:,})"
        begins = f"job {job_id} of {earlier.file_name!r} begins without results"
        remedy = f"CheckpointStore({str(self._context.reading.path)!r}).job({earlier.job_id!r}).state()"
        todo = "To go on with that"
        if earlier.completed_count == earlier.total_chunks:
            done += ", and is complete"
            todo = "To take its results, and pay for none of them again"
        has = f"job {earlier.job_id} of the same file and settings has {done}"
        notice = f"{begins}, while {has}. {todo}, save its state: {remedy}"
        log_and_warn(notice, UserWarning)

    def show(self, job_id: str, saved: Saved) -> None:
        """Make the state file exact after :meth:`save`, or raise; log or warn what the caller has to know."""
        if self._context.state_file is not None:
            self._context.state_file.write(job_id, saved.known)
        if saved.passed_over is not None:
            self._tell_of(saved.passed_over, job_id)
        for chunk_index in saved.over[:1]:
            self.warn_of_another(job_id, chunk_index)
        while self._set_meanwhile:
            lifecycle.change(self._context, *self._set_meanwhile.popleft())

    def complete(self, job_id: str, total_chunks: int | None, chunk_index: int, result: object) -> None:
        """Record a chunk of a job that is not running, and set the job running unless it is paused. Durable.

        ``total_chunks``: None if the job is no longer current. The state file shows the current job, and is made exact;
        if that fails, it is written later.
        """
        known = self._context.reading.jobs.find(job_id).total_chunks if total_chunks is None else total_chunks
        execution = JobExecution(self._context, job_id, known)
        completion = execution.completion(chunk_index, result, replace=True)
        try:
            self._context.storage.states.complete_and_run(completion)
        except CheckpointStoreError as error:
            self._context.unrecorded.keep_by_hand(error, [completion])
            raise
        if total_chunks is not None:
            try:
                self._context.job_changed(job_id)
            except Exception as error:  # the chunk is recorded, so this is no error
                log_suppressed(error, f"after a completion of job {job_id}, its state file is written later")

    def set_status_soon(self, job_id: str, wanted: StatusChange) -> None:
        """Set the status of a job in a signal handler that interrupted a call of the library; durable after it."""
        self._set_meanwhile.append((job_id, wanted))
        lifecycle.change_soon(self._context, job_id, wanted)

    def set_status_beside(self, job_id: str, wanted: StatusChange) -> None:
        """Set the status of a job that is no longer current; the state file shows the current job. Durable."""
        self._context.storage.job_changes.set_status(job_id, wanted)

    def clear(self, job_id: str, *, and_backup: bool = True) -> None:
        """Delete a job for good. ``and_backup``: delete the ``.bak`` of the state file, too, whichever job it shows."""
        lifecycle.delete(self._context, job_id, and_backup=and_backup)


def _changes_plan(state: ProcessingState, earlier: ProcessingState) -> bool:
    return any(getattr(state, name) != getattr(earlier, name) for name in ("file_name", "model", "provider", "config"))


class ManagerCalls(ForkAware):
    """What the calls of a manager share in one process."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the locks are free, and the child knows no job before its first call."""
        self.guard = threading.RLock()
        """Held while the store is opened, looked for or closed."""
        self.states = threading.RLock()
        """Held while a state is read or written: what is known is of one moment."""
        self.looked = Looked(store=self._store)

    @property
    def looked(self) -> Looked:
        """What this process knows of the current job."""
        return self.own_looked.of_program()

    @looked.setter
    def looked(self, looked: Looked) -> None:
        self.own_looked = looked.noted()
