"""The error tree: one root, each class carrying its data as fields.

Every error says what happened, in which file, job or chunk, and what to do next. Every error can be pickled with its
fields, because a worker process sends its errors to the process of the loop.
"""

from __future__ import annotations

import math
import os
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_KILO: Final = 1000
_PREFIX_TO_DELETE_MIN: Final = 8
_UNITS: Final = ("kB", "MB", "GB", "TB")
UNSEEN_PROCESS: Final = "a process that does not show here (of another user, or in another container)"
_PLAIN_MAX: Final = 1e15
_DECIMALS_MAX: Final = 12  # digits behind the point; the further digits of a sum of floats mean nothing


def short_repr(value: object, length: int = 200) -> str:
    """Return the ``repr`` of a value, shortened; if ``repr`` fails, as for an integer that is too long, its type."""
    try:
        text = repr(value)
    except Exception:  # an error message must not fail, whatever the value does
        return f"<{type(value).__qualname__}>"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def number_text(value: float) -> str:
    """Return a number as people read it: ``0.000012``, ``0.25``, ``1,234,567.5``; above 10^15 with an exponent.

    The number is rounded to six significant digits, but never to less than hundredths.
    """
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value) or abs(value) > _PLAIN_MAX:
        return f"{value:.6g}"
    if value.is_integer():
        return f"{value:,.0f}"
    decimals = max(2, 5 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, _DECIMALS_MAX)}f}".rstrip("0").rstrip(".")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 chunk``, ``1,200 chunks``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_of(indices: Sequence[int]) -> str:
    """Return the first five chunks, and the number of the others: ``4, 5, 6, 7, 8 and 2 more``."""
    return ", ".join(map(str, indices[:5])) + (f" and {len(indices) - 5:,} more" if indices[5:] else "")


def size_text(size_bytes: int) -> str:
    """Return a number of bytes as people read it: ``1 byte``, ``812 bytes``, ``4.2 kB``, ``13.0 GB`` (1 kB: 1,000)."""
    if size_bytes < _KILO:
        return counted(size_bytes, "byte")
    size, unit = size_bytes / _KILO, 0
    while size >= _KILO and unit < len(_UNITS) - 1:
        size, unit = size / _KILO, unit + 1
    return f"{size:,.1f} {_UNITS[unit]}"


def _rebuild(cls: type[CheckpointStoreError], args: Any, fields: dict[str, Any]) -> Exception:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class CheckpointStoreError(Exception):
    """The root of every error that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by message and fields, whatever the signature of ``__init__``."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class StoreRecovered(UserWarning):
    """A store or some results were brought back from a copy, or imported from a state file. The message says which."""


class ChunksPassedOver(UserWarning):
    """A loop with ``on_error="record"`` passed over chunks that an earlier run failed. The message has their number."""


class JobsPassedOver(UserWarning):
    """A list of the jobs of a read-only store leaves out jobs whose rows cannot be read. The message names them."""


class ResultsElsewhere(UserWarning):
    """A new job begins, and pays again for chunks that another file name has results for. The message has that name."""


class ResultIsNone(UserWarning):
    """The function of a loop returned None, which was recorded. The message names the chunk, and what to do."""


class InvalidArgumentError(CheckpointStoreError, ValueError):
    """A call was given a value that it cannot work with. ``name`` is the name of the argument.

    ``value`` is the value as short text. The value ``...`` stands for a value that the message does not show.
    """

    def __init__(self, name: str, value: object, remedy: str) -> None:
        self.name = name
        self.value = None if value is ... else short_repr(value)
        super().__init__(f"{name} {remedy}" if self.value is None else f"{name}={self.value} {remedy}")


class UnknownOptionError(InvalidArgumentError, TypeError):
    """A call was given a keyword that it does not have; the message names the nearest keyword that it has."""


class StoreTargetError(CheckpointStoreError):
    """The path given for a store, a state file or a backup cannot be used. Nothing was created or changed.

    ``use`` says what the path was given for.
    """

    def __init__(self, target: object, reason: str, use: str = "as a store") -> None:
        self.target = str(target)
        self.reason, self.use = reason, use
        super().__init__(f"{self.target!r} cannot be used {use}: {reason}")


class ReportTargetError(CheckpointStoreError):
    """A report cannot be written to this path. Nothing was created or changed."""

    def __init__(self, target: object, reason: str) -> None:
        self.target, self.reason = str(target), reason
        super().__init__(f"no report is written to {self.target!r}: {reason}")


class StoreBusy(CheckpointStoreError):
    """A lock was not free within ``lock_timeout_seconds``: the message says what was written. Calling again is safe.

    ``holders`` are the ids of the processes that seem to hold the lock, as far as they can be seen. If one of these
    processes was stopped, the message says so, and what to do.
    """

    def __init__(
        self,
        path: Path | str,
        waited_seconds: float,
        holder: str = "another process",
        *,
        holders: Sequence[int] = (),
        advice: str | None = None,
        outcome: str | None = None,
    ) -> None:
        self.path, self.waited_seconds, self.holders, self.holder = str(path), waited_seconds, tuple(holders), holder
        message = (
            f"{self.path} was kept locked by {holder} for {waited_seconds:g} s. {outcome or 'Nothing was written'}; "
            "call again, or open the store with a longer lock_timeout_seconds."
        )
        if advice and holders:  # a process among them was stopped
            advice += " What a process has recorded is safe when you end it; the chunks in its hand are in doubt."
        super().__init__(f"{message} {advice}" if advice else message)


class StoreInUse(StoreBusy):
    """Somebody has the store open, and the call needs the store for itself. Nothing was changed.

    ``holders`` are the ids of the processes that can be seen. A lock says whether the store is in use, not this list.
    """

    def __init__(self, path: Path | str, waited_seconds: float, holders: Sequence[int] = ()) -> None:
        who = f"process {', '.join(map(str, holders))}" if holders else UNSEEN_PROCESS
        super().__init__(path, waited_seconds, who, holders=holders)
        waited = f" (waited {waited_seconds:g} s)" if waited_seconds else ""
        says = "this process has it open; close" if list(holders) == [os.getpid()] else f"{who} has it open; end"
        self.args = (f"{self.path} is in use: {says} it first, and call again{waited}. The file is as it was.",)


class ErasureUnfinished(CheckpointStoreError):
    """Data is deleted from the store, but its bytes are still in the WAL: a reader or a full disk was in the way."""

    def __init__(self, path: Path | str, what: str, seconds: float, holders: Sequence[int], why: str = "") -> None:
        self.path, self.what, self.waited_seconds, self.holders = str(path), what, seconds, tuple(holders)
        who = "process " + ", ".join(map(str, self.holders)) if self.holders else "another process"
        cause = f"they cannot be removed now ({why})" if why else f"{who} kept reading for {seconds:g} s"
        super().__init__(
            f"{what} is deleted from {self.path}, but its bytes are still in the WAL beside it: {cause}. "
            f"{'Make room, or mend that' if why else 'End that process'}; the last close of the store then deletes it."
        )


class StorageFullError(CheckpointStoreError):
    """The disk had no room. All that was recorded is safe; the same object works again once the disk has room."""

    def __init__(self, path: Path | str, reason: str, free_bytes: int | None) -> None:
        self.path, self.reason, self.free_bytes = str(path), reason, free_bytes
        free = "unknown" if free_bytes is None else size_text(free_bytes)
        super().__init__(
            f"no room to write {self.path} ({reason}; free there: {free}). Everything recorded before is safe. "
            "Make room and call again: the same object goes on."
        )


class StorageUnavailableError(CheckpointStoreError):
    """The store's file cannot be read or written now: a read-only or vanished folder, or an I/O error."""

    def __init__(self, path: Path | str, reason: str, remedy: str | None = None) -> None:
        self.path, self.reason = str(path), reason
        safe = "Everything recorded before is safe. Once the cause is gone, call again: the same object goes on"
        advice = f"{safe}, and repeating the last call is safe." if remedy is None else remedy
        super().__init__(f"{self.path} cannot be used now: {reason}. {advice}")


class StoreClosed(StorageUnavailableError):
    """The store object was closed. What was recorded before is in the file."""

    def __init__(self, path: Path | str, reason: str = "this store was closed") -> None:
        self.path, self.reason = str(path), reason
        CheckpointStoreError.__init__(self, f"{reason}; open it again with CheckpointStore({self.path!r})")


class StoreDamaged(CheckpointStoreError):
    """Stored data is not what was written. Nothing was deleted."""

    def __init__(
        self,
        path: Path | str,
        reason: str,
        *,
        job_id: str | None = None,
        chunk_index: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.path, self.reason, self.job_id, self.chunk_index = str(path), reason, job_id, chunk_index
        self.remedy = remedy or (
            f"To make it anew from what reads of it, its backups and its state file: recover_store({self.path!r})"
        )
        where = "" if job_id is None else f", job {job_id}"
        where += "" if chunk_index is None else f", chunk {chunk_index}"
        super().__init__(f"{self.path}{where} is damaged: {reason}. Nothing was deleted. {self.remedy}")


class SchemaTooNew(CheckpointStoreError):
    """The store was written by a newer version of this library. Nothing was touched."""

    def __init__(self, path: Path | str, found: str, known: str) -> None:
        self.path, self.found, self.known = str(path), found, known
        super().__init__(
            f"{self.path} has schema {found}, newer than {known}, the newest that this version of checkpoint-store "
            "knows. Nothing was changed. Upgrade with: pip install --upgrade checkpoint-store"
        )


class SchemaTooOld(CheckpointStoreError):
    """The store has an older schema and this open may not upgrade it. Nothing was touched."""

    def __init__(self, path: Path | str, found: str, needed: str) -> None:
        self.path, self.found, self.needed = str(path), found, needed
        remedy = f"Nothing was changed. Upgrade it with: migrate({self.path!r})"
        super().__init__(f"{self.path} has schema {found}; this version needs {needed}. {remedy}")


class MigrationFailed(CheckpointStoreError):
    """An upgrade failed and was rolled back whole: the file is as it was."""

    def __init__(
        self, path: Path | str, found: str | None, wanted: str, reason: str, backup: Path | str | None
    ) -> None:
        self.path, self.found, self.wanted, self.reason = str(path), found, wanted, reason
        self.backup = None if backup is None else str(backup)
        copy_remark = "" if self.backup is None else f" A copy made before the attempt is at {self.backup}."
        super().__init__(
            f"{self.path} could not be brought from schema {found or 'none'} to {wanted}: {reason.rstrip('.')}. "
            f"The file is as it was before.{copy_remark}"
        )


class JobNotFound(CheckpointStoreError, LookupError):
    """No job, or more than one, has this id or prefix. ``deleted_at``: when the job was deleted, if that is known."""

    def __init__(self, job_id: str, path: Path | str, matches: Sequence[str] = ()) -> None:
        self.job_id, self.path, self.matches = job_id, str(path), tuple(matches)
        self.deleted_at: str | None = None
        what = f"names {len(self.matches)} jobs ({', '.join(self.matches[:5])})" if self.matches else "is not a job"
        remedy = "Give more of the id" if self.matches else f"List the jobs with: CheckpointStore({self.path!r}).jobs()"
        super().__init__(f"{job_id!r} {what} in {self.path}. {remedy}.")

    @classmethod
    def refuse_short(cls, job_id: str, full_id: str, path: Path | str) -> None:
        """Raise :class:`JobNotFound` if an id is too short a prefix to delete by: a few characters may be a slip."""
        if job_id != full_id and full_id.startswith(job_id) and len(job_id) < _PREFIX_TO_DELETE_MIN:
            error = cls(job_id, path, (full_id,))
            what = f"{job_id!r} is too short to delete by: it is the beginning of job {full_id} in {error.path}."
            error.args = (f"{what} Give {_PREFIX_TO_DELETE_MIN} characters of the id or more.",)
            raise error

    @classmethod
    def no_current(cls, path: Path | str) -> JobNotFound:
        """Return the error of a manager that got a chunk, or a status, while the store has no current job."""
        error = cls("the current job", path)
        message = (
            f"there is no current job in {error.path}, so nothing was recorded: save a state first, such as "
            'manager.save(ProcessingState(file_name="lecture.srt", total_chunks=12)).'
        )
        error.args = (message,)
        return error


class CurrentJobChanged(CheckpointStoreError):
    """Another process or manager made another job the current job since this :class:`StateManager` loaded or saved.

    The given data is recorded in its own job if the store has that job (``is_recorded``), and never in the other job.
    """

    def __init__(
        self, path: Path | str, job_id: str, current_job_id: str, current_file_name: str, *, is_recorded: bool
    ) -> None:
        self.path, self.job_id, self.is_recorded = str(path), job_id, is_recorded
        self.current_job_id, self.current_file_name = current_job_id, current_file_name
        current = f"job {current_job_id} of {current_file_name!r}"
        apart = "give each program a state_path of its own"
        if is_recorded:
            message = (
                f"job {job_id} is no longer the current job of {self.path}: another program made {current} the current "
                f"job. What was given is recorded in job {job_id}. To go on with it, end the other program and save "
                f"CheckpointStore({self.path!r}).job({job_id!r}).state(); or {apart}."
            )
        else:
            message = (
                f"job {job_id} was not saved: since this StateManager loaded or saved, another program made {current} "
                f"the current job of {self.path}. Wait until that program has ended and load() its job; or {apart}."
            )
        super().__init__(message)


class JobBusy(CheckpointStoreError):
    """Another runner is at work on this job, and that runner or this runner wants the job for itself."""

    def __init__(self, job_id: str, pid: int, host: str, since: str, runner: int | None = None) -> None:
        self.job_id, self.pid, self.host, self.since, self.runner = job_id, pid, host, since, runner
        who, remedy = f"process {pid} on {host}", "Wait for it to end, or stop it, and call again."
        if (pid, host) == (os.getpid(), os.uname().nodename):
            who, remedy = "this process", "End its loop or `with` block here, or close its store, and call again."
        elif runner is not None:
            remedy += f" If that process was stopped for good: job.release_runner({runner})"
        super().__init__(f"job {job_id} is being worked on by {who} since {since}. {remedy}")


class ChunkInWork(CheckpointStoreError):
    """A chunk is to be done again while a runner, which is alive, is still at work on it. Nothing was changed.

    In a sequential job, ``chunk_index`` may be a later chunk, whose work began with the result that was to be replaced.
    """

    def __init__(self, job_id: str, chunk_index: int, pid: int, host: str) -> None:
        self.job_id, self.chunk_index, self.pid, self.host = job_id, chunk_index, pid, host
        remedy = "Wait until the chunk is done, or pause the job, and call again."
        super().__init__(f"chunk {chunk_index} of job {job_id} is being worked on by process {pid} on {host}. {remedy}")


class RunnerReleased(CheckpointStoreError):
    """The lock file of this runner is gone (released by hand while stopped, or removed): others may have its chunks.

    The runner starts none of these chunks. What it has recorded is safe. ``runner`` is its number in the store.
    """

    def __init__(self, job_id: str, runner: int) -> None:
        self.job_id, self.runner = job_id, runner
        super().__init__(
            f"runner {runner} of job {job_id} was released by hand while it was stopped, or its lock file was removed: "
            "its chunks are free for others. What the runner has recorded is safe; run the loop again to go on."
        )


class JobPaused(CheckpointStoreError):
    """A loop ended because its job was paused. What was done is recorded; opening the job again goes on."""

    def __init__(self, job_id: str, remaining_chunks: int, why: str | None = None) -> None:
        self.job_id, self.remaining_chunks = job_id, remaining_chunks
        left = f"{counted(remaining_chunks, 'chunk')} left"
        end = f"was paused with {left}; run the loop again to go on."
        super().__init__(f"job {job_id} {end if why is None else f'is paused with {left}: {why}'}")


class ServiceUnavailable(JobPaused):
    """No call has succeeded for ``outage_seconds``, or none may be made until then: the job is paused.

    ``seconds`` is the time without a success, ``asked_seconds`` the wait that the service asks for, if it is too long.
    ``last_error`` is the text of the last failure (the ``__cause__``). ``tried`` are the chunks whose calls failed.
    """

    def __init__(
        self, job_id: str, remaining_chunks: int, seconds: float, last_error: str, *tried: int, asked_seconds: float = 0
    ) -> None:
        self.seconds, self.last_error, self.tried, self.asked_seconds = seconds, last_error, tried, asked_seconds
        at = f" (tried: chunk {first_of(tried)})" if tried else ""
        asks = f"the service asks to make no call for {asked_seconds:.0f} s, which is longer than what is left "
        lasted = f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
        why = f"{asks}of outage_seconds" if asked_seconds else f"no call has succeeded for {lasted}"
        why += f"{at}, the last call failed with {last_error.removesuffix('.')}. No chunk is failed for that. "
        why += "Run the loop again once the service answers, or with a longer outage_seconds."
        if 0 < remaining_chunks <= len(tried):
            why += " If the service answers other calls, these chunks are at fault: mend their input, give them more "
            why += "time (timeout_seconds), or give each chunk up: call job.fail_chunk(index, why) max_attempts times."
        super().__init__(job_id, remaining_chunks, why)


class BudgetReached(JobPaused):
    """The next chunk might cost more than is left of ``max_cost``: the job is paused.

    ``spent`` is the cost of results and failed tries. ``reserved`` is the possible cost of tries without a known end.
    ``dearest_cost`` is the highest cost so far, which the next chunk has to reserve. ``last_error`` is the text of the
    last failure, if no call has succeeded since. Calls without an answer may be billed: they use a budget up, too.
    """

    def __init__(
        self,
        job_id: str,
        remaining_chunks: int,
        *,
        spent: float,
        reserved: float,
        dearest_cost: float,
        max_cost: float,
        last_error: str | None = None,
    ) -> None:
        self.spent, self.reserved, self.dearest_cost, self.max_cost = spent, reserved, dearest_cost, max_cost
        self.last_error = last_error
        in_doubt = f", calls without an answer may have cost {number_text(reserved)} more" if reserved else ""
        hint = f" The last call failed with {last_error}: see first that the service answers." if last_error else ""
        costs = f"it has cost {number_text(spent)}{in_doubt}, the dearest chunk cost {number_text(dearest_cost)}"
        limit = f"max_cost is {number_text(max_cost)}.{hint} To go on, run the loop again with a higher max_cost."
        super().__init__(job_id, remaining_chunks, f"{costs}, and {limit}")


class DeadlineReached(JobPaused):
    """A loop with ``deadline_seconds`` ran for that long: the chunks in hand are finished, and the job is paused."""

    def __init__(self, job_id: str, remaining_chunks: int, deadline_seconds: float) -> None:
        self.deadline_seconds = deadline_seconds
        why = "its run has reached its deadline"  # without the seconds: they may be what a run had left for this loop
        super().__init__(job_id, remaining_chunks, f"{why}. Run the loop again to go on.")


class CostUnknown(JobPaused):
    """A loop has ``max_cost``, and the cost of a result cannot be read: the job is paused. The result is recorded.

    ``field`` is the name of the cost's field; ``value`` is its value as short text (None: the result lacks the field);
    ``fields`` are the names of the fields that the result has.
    """

    def __init__(
        self,
        job_id: str,
        remaining_chunks: int,
        chunk_index: int,
        *,
        field: str,
        value: str | None,
        fields: Sequence[str] = (),
    ) -> None:
        self.chunk_index, self.field, self.value, self.fields = chunk_index, field, value, tuple(fields)
        wrong = f"has no {field!r}" if value is None else f"has {value} as {field!r}, which is no amount"
        has = f"its fields are {', '.join(self.fields)}" if self.fields else "it has no fields"
        why = f"there is a max_cost, and the cost of chunk {chunk_index} cannot be read. Its result, which is recorded,"
        why += f" {wrong}; {has}. Say where the cost stands with cost= (a field, a dotted path such as 'usage.cost', "
        why += "or a function of the result), or run the loop again without max_cost."
        super().__init__(job_id, remaining_chunks, why)


class ChunkFailed(CheckpointStoreError):
    """Chunks of a job used up their attempts; every other chunk is done, or (in a sequential job) waits for them."""

    def __init__(self, job_id: str, failed_chunks: int, example: str) -> None:
        self.job_id, self.failed_chunks, self.example = job_id, failed_chunks, example
        failed = f"{counted(failed_chunks, 'chunk')} of job {job_id} failed ({example})"
        super().__init__(f"{failed}. To try failed chunks again: job.retry_failed(); then run the loop again.")


class WorkerDied(CheckpointStoreError):
    """The process that worked on a chunk ended without a result; the system ends a process if memory is short.

    The chunk has failed once, and is tried again while it has tries left. If it ends its process each time, look at
    what the work needs: its memory first.
    """


class WorkFailed(CheckpointStoreError):
    """An exception from another process that could not be pickled, and so arrived as text.

    ``kind`` is the name of its type, ``kinds`` are the full names of that type and its bases. ``status_code``,
    ``code``, ``retry_after`` and ``cost`` are what the exception said of a service's answer, and of the try's cost.
    ``may_be_billed`` is whether the try may have cost something although nobody knows how much.
    """

    may_be_billed: bool | None = None

    def __init__(
        self,
        kind: str,
        text: str,
        trace: str = "",
        *,
        kinds: Sequence[str] = (),
        status_code: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        cost: float | None = None,
    ) -> None:
        self.kind, self.text, self.trace, self.kinds = kind, text, trace, tuple(kinds)
        self.status_code, self.code, self.retry_after, self.cost = status_code, code, retry_after, cost
        super().__init__(f"{kind}: {text}")


class MissingExtra(CheckpointStoreError, ImportError):
    """A call needs an optional package. The message says what to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"{purpose} needs {package}: pip install 'checkpoint-store[{extra}]'")


class JobIncomplete(CheckpointStoreError):
    """A call asked for all results of a job, or for its end as completed, while chunks are left."""

    def __init__(self, job_id: str, remaining_chunks: int) -> None:
        self.job_id, self.remaining_chunks = job_id, remaining_chunks
        super().__init__(
            f"job {job_id} is incomplete, with {counted(remaining_chunks, 'chunk')} left. To complete them: "
            "job.map(...), or job.pending() and chunk.complete(...); to free failed chunks first: job.retry_failed(). "
            'To take the results so far: job.items(), or job.results(missing="skip"). To end the job: job.pause() or '
            "job.fail(...)."
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A ``field`` in which two plans differ, with short texts: ``old`` is the job's value, ``new`` the caller's."""

    field: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.field}: {self.old} -> {self.new}"


class PlanChanged(CheckpointStoreError):
    """No job of this file was made for this plan, and a job of another plan has results. Nothing was changed.

    ``job_id`` is the newest job of the file that has results, and ``differences`` are those from its plan.
    ``reusable_results`` is how many chunks ``on_change="reuse"`` finds a result for that is not to be done again.
    ``choices`` are pairs: settings for ``reuse_ignoring``, and for how many chunks ``"reuse"`` finds a result then.
    Each pair finds more than the pair before it; the last pair is also ``ignoring`` and ``kept_ignoring``. The places
    alone, and no contents, identify ``kept_by_place`` of these chunks (``"chunks"`` is in ``ignoring`` then).
    ``reusable_handles`` is how many other chunks have a handle that ``"reuse"`` takes along: a service holds the work.
    With ``on_change="extend"``, ``differences`` are those that keep a job from growing.
    """

    def __init__(
        self,
        file_name: str,
        job_id: str,
        differences: Sequence[Difference],
        reusable_results: int,
        *,
        choices: Sequence[tuple[Sequence[str], int]] = (),
        kept_by_place: int = 0,
        reusable_handles: int = 0,
        extends: bool = False,
        can_grow: bool = False,
        chunks_have_fields: bool = False,
    ) -> None:
        self.file_name, self.job_id, self.differences = file_name, job_id, tuple(differences)
        self.reusable_results, self.reusable_handles = reusable_results, reusable_handles
        self.kept_by_place = kept_by_place
        self.choices = tuple((tuple(names), count) for names, count in choices)
        self.ignoring, self.kept_ignoring = self.choices[-1] if self.choices else ((), reusable_results)
        lines = "".join(f"\n  {difference}" for difference in self.differences)
        more = "; "
        if self.choices:
            others = ", ".join(f"with reuse_ignoring={its!r} {counted(count, 'result')}" for its, count in self.choices)
            places = f", {kept_by_place} of them only by the place of the chunk" if kept_by_place else ""
            more = f" ({others} made under other settings{places}); "
        held = f", and {counted(reusable_handles, 'handle')} of work that a service holds" if reusable_handles else ""
        fields_count = ""
        if chunks_have_fields and any(difference.field == "chunks" for difference in self.differences):
            fields_count = " A chunk that is a dataclass or a pydantic model counts with all its fields but index and "
            fields_count += "chunk_index; to leave a field out, give fingerprint= a function that returns the others."
        made_for = "that was made for another plan"
        if extends:
            made_for = "that cannot be extended to this plan (other settings, or other chunks at its beginning)"
        more += "'extend' lets the job grow, and keeps all its results; " if can_grow else ""
        super().__init__(
            f"{file_name!r} has a job ({job_id}) {made_for}:{lines}\n"
            f"Choose with on_change: 'reuse' starts a new job and keeps {counted(reusable_results, 'result')} of the "
            f"store whose chunk and settings are the same{held}{more}'restart' starts a new job from nothing. None of "
            f"them deletes the earlier job.{fields_count}"
        )


class ChunkOutOfRange(CheckpointStoreError, IndexError):
    """A chunk index that this job does not have. Indices run from 0 to ``total_chunks - 1``."""

    def __init__(self, job_id: str, chunk_index: object, total_chunks: int) -> None:
        self.job_id, self.chunk_index, self.total_chunks = job_id, chunk_index, total_chunks
        has = f"its chunks are 0 to {total_chunks - 1}" if total_chunks else "it has no chunks"
        what = "not a chunk" if type(chunk_index) is int else "no whole number, and so no chunk"
        super().__init__(f"chunk_index={short_repr(chunk_index)} is {what} of job {job_id}: {has}.")


class ChunkOutOfOrder(CheckpointStoreError):
    """A result needs the result of ``missing_index``, which is missing or (``is_stale``) was made anew since."""

    def __init__(self, job_id: str, chunk_index: int, missing_index: int, *, is_stale: bool = False) -> None:
        self.job_id, self.chunk_index, self.missing_index, self.is_stale = job_id, chunk_index, missing_index, is_stale
        why = f"the job is sequential, each chunk needs the results before it. Complete chunk {missing_index} first."
        if is_stale:
            why = f"that chunk got another result after this result was begun. Do chunk {chunk_index} again, too."
        super().__init__(f"chunk {chunk_index} of job {job_id} cannot be completed before chunk {missing_index}: {why}")


class KeyNotFound(CheckpointStoreError, KeyError):
    """No chunk of this job has that key. ``key`` is what was asked for."""

    def __init__(self, job_id: str, key: object, *, has_keys: bool = True) -> None:
        self.job_id, self.key, self.has_keys = job_id, key, has_keys
        remedy = "job.keys() has all keys" if has_keys else "its chunks have indices only: open it with a mapping"
        super().__init__(f"no chunk of job {job_id} has the key {short_repr(key)}; {remedy}.")

    def __str__(self) -> str:
        """Return the message, and not its ``repr``, as a KeyError would."""
        return str(self.args[0])


class ChunkNotCompleted(CheckpointStoreError, LookupError):
    """A call asked for the result of a chunk that has no result yet, or that was completed without a result."""

    def __init__(self, job_id: str, chunk_index: int, *, completed: bool) -> None:
        self.job_id, self.chunk_index, self.completed = job_id, chunk_index, completed
        why = "was completed without a result" if completed else "is not complete; see job.pending()"
        super().__init__(f"chunk {chunk_index} of job {job_id} {why}.")


class ChunkAlreadyCompleted(CheckpointStoreError):
    """This chunk is complete with another result, which stays."""

    def __init__(self, job_id: str, chunk_index: int) -> None:
        self.job_id, self.chunk_index = job_id, chunk_index
        super().__init__(
            f"chunk {chunk_index} of job {job_id} is already complete with another result, which was kept. To put "
            "this result in its place: job.complete(index, result, replace=True)."
        )


class InvalidResultError(CheckpointStoreError, ValueError):
    """A value cannot be kept, or given back, as it is. Nothing was written.

    ``path`` says where inside the value, as in ``result['segments'][3]['start']``. ``result`` is the value that was to
    be kept, as it is; where the error was pickled, as on its way home from another process, ``result`` is a readable
    copy of the value (text, up to 256 Ki characters), and ``is_copy`` is True.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str = "result",
        job_id: str | None = None,
        chunk_index: int | None = None,
        result: object = None,
    ) -> None:
        self.reason, self.path, self.job_id, self.chunk_index = reason, path, job_id, chunk_index
        self.result, self.is_copy = result, False
        where = "" if chunk_index is None or job_id is None else f"chunk {chunk_index} of job {job_id}: "
        super().__init__(f"{where}{path} {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a readable copy in the place of the value: few values that JSON cannot hold can be pickled."""
        fields = self.__dict__.copy()
        if self.result is not None and not self.is_copy:
            fields |= {"result": readable(self.result), "is_copy": True}
        return _rebuild, (type(self), self.args, fields)

    def at(self, job_id: str) -> InvalidResultError:
        """Return the same error with the job that it is about."""
        made = InvalidResultError(
            self.reason, path=self.path, job_id=job_id, chunk_index=self.chunk_index, result=self.result
        )
        made.is_copy = self.is_copy
        return made


class StateFormatError(CheckpointStoreError, ValueError):
    """A state, or a state file, cannot be read. ``field`` names the field at fault, if a single field is.

    Mend that field by hand, or take the state before it: the file with the suffix ``.bak``.
    """

    def __init__(self, field: str | None, reason: str, *, path: Path | str | None = None) -> None:
        self.field, self.reason, self.path = field, reason, None if path is None else str(path)
        where = "" if self.path is None else f"{self.path}: "
        super().__init__(f"{where}{'state' if field is None else field} {reason}")


class SecretInConfig(CheckpointStoreError, ValueError):
    """A config, or metadata, holds what looks like a secret. Nothing was stored, and the value is not repeated here."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} {reason}; a store is readable text, so secrets are kept out of it. Leave the secret out, and "
            "read the secret from the environment where your program needs it."
        )


READABLE_LENGTH_MAX: Final = 256 * 1024  # characters; an answer of a model is far shorter
_LEVELS_MAX: Final = 30


class _Readable(reprlib.Repr):
    """Like ``repr``, but the attributes of an object whose class has no ``repr`` of its own are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = _LEVELS_MAX
        for name in ("tuple", "list", "array", "dict", "set", "frozenset", "deque", "string", "long", "other"):
            setattr(self, f"max{name}", READABLE_LENGTH_MAX)

    def repr_instance(self, x: Any, level: int) -> str:
        own: Any = type(x).__repr__
        if own is not object.__repr__ or not hasattr(x, "__dict__") or level <= 0:
            return super().repr_instance(x, level)
        fields = (f"{name}={self.repr1(value, level - 1)}" for name, value in vars(x).items())
        return f"{type(x).__qualname__}({', '.join(fields)})"


def readable(value: object) -> str:
    """Return the printed form of a value, up to 256 Ki characters; for a value that cannot be printed, its type."""
    try:
        text = _Readable().repr(value)
    except Exception:  # the caller's value may raise anything
        return f"<{type(value).__qualname__}>"
    if len(text) > READABLE_LENGTH_MAX:
        text = f"{text[:READABLE_LENGTH_MAX]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", r"\0")
