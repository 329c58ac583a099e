"""Merge the surviving copies of a store into a new store. A result is accepted only if its digest is right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import StateFormatError, counted
from checkpoint_store.model.clock import now
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.records.open_requests import BY_PLACE
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.storage.recovery.salvage.chunk_rows import write_attempts, write_facts, write_runners
from checkpoint_store.storage.recovery.salvage.copies import UNKNOWN_TIME, Copy, best_result
from checkpoint_store.storage.recovery.salvage.new_store import NewStore, read_new_store
from checkpoint_store.storage.recovery.salvage.state_file import UNSAID, read_state, read_torn_state
from checkpoint_store.storage.recovery.salvage.store_file import read_copy, read_store
from checkpoint_store.storage.statements.completions import record, set_settings, set_source
from checkpoint_store.storage.statements.job_rows import finish_if_left_running
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.rows import COLUMNS
from checkpoint_store.storage.upgrade import migrate
from checkpoint_store.system.files import create_private, temporary_path
from checkpoint_store.system.log import log_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class JobRecovery:
    """The report of the recovery of one job."""

    job_id: str
    file_name: str
    recovered_chunks: int
    lost_chunks: int
    """Completed chunks without a sound result in any copy; they are pending again."""
    sources: tuple[tuple[str, int], ...]
    """Pairs of a copy's name and the number of chunks taken from it, the best copy first."""
    unverified_chunks: int = 0
    """Recovered chunks whose result comes from a state file, and whose digest is in no copy."""
    lost: str | None = None
    """What else of the job is lost, as a sentence; None if nothing is."""
    tries: str | None = None
    """What is missing of the attempts at the chunks that are left, as a sentence; None if nothing is."""
    assumed: str | None = None
    """What was assumed about the job because no copy says it, as a sentence; None if nothing was assumed."""
    lost_settings: tuple[str, ...] = ()
    """The settings of the plan that are lost: the next run has to say that its own may stand in their place.

    Also ``file_name``, without which no run finds the job.
    """
    facts: str | None = None
    """What may be missing of the keys, handles and redo marks of its chunks, as a sentence; None if nothing is."""

    @property
    def loses(self) -> bool:
        """Return whether something that a copy has was not recovered."""
        return self.lost_chunks > 0 or self.lost is not None

    def __str__(self) -> str:
        taken = ", ".join(f"{count} from {name}" for name, count in self.sources) or "none"
        lost = f"; {self.lost_chunks} could not be brought back" if self.lost_chunks else ""
        lost += f"; {self.lost}" if self.lost else ""
        if self.unverified_chunks:
            lost += f"; no digest of {self.unverified_chunks} of them survived: they are as the state file has them"
        lost += "".join(f"; {note}" for note in (self.tries, self.facts, self.assumed, self._remedy()) if note)
        return f"job {self.job_id} ({self.file_name}): {counted(self.recovered_chunks, 'chunk')} back ({taken}){lost}"

    def _remedy(self) -> str | None:
        """Return how the next run takes the results up, as a sentence; None where it needs to say nothing."""
        if not self.lost_settings or not self.recovered_chunks:
            return None
        if "file_name" in self.lost_settings:
            written = " and ".join((", ".join(self.lost_settings), "a new job_id"))
            return (
                "no run finds the results without the file_name, and a run would pay for them again; before it, call "
                f"store.job({self.job_id!r}).export(path), write {written} into the exported file, and call "
                "store.import_state(path)"
            )
        return (
            "a run that is refused because of that can take the results up, each by the place of its chunk: "
            f"on_change='reuse', reuse_ignoring={(*self.lost_settings, BY_PLACE)!r}"
        )


_BACKUPS_READ_MIN: Final = 3
"""Read this many backups in any case. Read an older backup only for a result that all copies before it lack."""


def all_copies(path: Path, state_files: Sequence[Path]) -> list[Copy]:
    """Read every surviving copy of a store, and return the best copy first."""
    files = StoreFiles(path)
    with openings.lock:  # closing it would drop the locks of a connection that another thread opens meanwhile
        copies = read_store(path, cache(lambda: _new_store(path)))  # at most one is made
    if files.recovered.exists():
        copies.append(read_copy(files.recovered, "the interrupted recovery"))
    for number, backup in enumerate(Siblings(path).backups()):
        if number >= _BACKUPS_READ_MIN and not _lack_a_result(copies):
            break
        copies.append(read_copy(backup, f"the backup {backup.name}"))
        copies[-1].backup = True
    torn = []
    for state_file in state_files:
        try:
            copies.append(read_state(state_file))
        except OSError as error:
            log_unread(state_file, error)
        except StateFormatError:
            torn.append(read_torn_state(state_file))
    return copies + torn


def _lack_a_result(copies: list[Copy]) -> bool:
    """Return whether the copies know of a completed chunk whose result none of them has sound."""
    for job_id in {job_id for copy in copies for job_id in copy.chunks}:
        indices = {index for copy in copies for index in copy.chunks.get(job_id, ())}
        if len(indices) < _known(job_id, copies) or any(
            best_result(job_id, index, copies) is None for index in indices
        ):
            return True
    return False


def build(
    fresh: Path, copies: list[Copy], deleted: dict[str, str], *, like: Path | None = None
) -> tuple[JobRecovery, ...]:
    """Make a new store at ``fresh`` from the copies, and return what was recovered of each job.

    Root gives the new store to the owner of ``like``.
    """
    create_private(fresh, like=like)
    database = Database(fresh, durability="power-loss", lock_timeout_seconds=10.0)
    try:
        migrate.upgrade(database, SCHEMA_VERSION)
        jobs = database.write(_fill, copies, deleted, fresh)
        database.writer.copy_wal()  # the file alone is moved to its place
    finally:
        database.close()
    return jobs


def _new_store(path: Path) -> NewStore:
    fresh = temporary_path(path)
    try:
        build(fresh, [], {})
        return read_new_store(fresh)
    finally:
        StoreFiles(fresh).remove()


def _fill(
    connection: sqlite3.Connection, copies: list[Copy], deleted: dict[str, str], path: Path
) -> tuple[JobRecovery, ...]:
    job_statements.keep_deleted(connection, deleted)
    reports = []
    for job_id, values in _all_jobs(copies).items():
        in_time = {name: now() if value == UNKNOWN_TIME else value for name, value in values.items()}
        job_statements.insert_job(connection, in_time | {"completed_count": 0})
        taken, unverified = _fill_chunks(connection, job_id, values["total_chunks"], copies)
        job_statements.recount(connection, job_id)
        recovered = sum(taken.values())
        lost = max(_known(job_id, copies) - recovered, 0)
        also = _lost_of_row(job_id, copies)
        settings = tuple(name for name in ("file_name", "model", "provider", "config") if name in also)
        attempts_note = write_attempts(connection, job_id, values["total_chunks"], copies)
        facts_note = write_facts(connection, job_id, values["total_chunks"], copies)
        attempts_note = attempts_note if recovered < values["total_chunks"] else None
        about = unverified, _lost_text(also), attempts_note, _assumed(job_id, values, copies), settings, facts_note
        reports.append(JobRecovery(job_id, values["file_name"], recovered, lost, tuple(taken.items()), *about))
        finish_if_left_running(connection, job_id)
        if recovered < values["total_chunks"] and values["status"] == "completed" and lost:
            job_statements.update_job(connection, job_id, path, status="paused", updated_at=now())
    write_runners(connection, [report.job_id for report in reports], copies)
    current = next((job_id for copy in copies for job_id, job in copy.jobs.items() if job["is_current"] == 1), None)
    if current is not None:
        job_statements.make_current(connection, current)
    return (*reports, *_lost_whole(copies))


def _lost_whole(copies: list[Copy]) -> list[JobRecovery]:
    """Return the jobs whose chunks are in a copy while their row in ``jobs`` is in none."""
    known = {job_id for copy in copies for job_id in copy.jobs}
    orphans = {job_id: _known(job_id, copies) for copy in copies for job_id in copy.chunks if job_id not in known}
    return [JobRecovery(job_id, "its name is lost", 0, count, ()) for job_id, count in orphans.items()]


def _all_jobs(copies: list[Copy]) -> dict[str, dict[str, Any]]:
    """Return each job's row from the best copy that has it, in the order in which the jobs were opened."""
    jobs: dict[str, dict[str, Any]] = {}
    for copy in copies:
        for job_id, values in copy.jobs.items():
            if job_id not in jobs:
                filled = _filled(job_id, copy.unread.get(job_id, ()), copies)
                jobs[job_id] = values | filled | _grown(job_id, values["total_chunks"], copies)
            if jobs[job_id]["chunks_digest"] is None and values["total_chunks"] == jobs[job_id]["total_chunks"]:
                of_chunks = {name: values[name] for name in ("chunks_digest", "fingerprint_rule")}
                jobs[job_id] = jobs[job_id] | of_chunks
    wanted = [name for name in COLUMNS["jobs"] if name not in _MADE_ANEW]
    ordered = sorted(jobs.items(), key=lambda item: item[1].get("job_number") or _JOB_NUMBER_MAX)
    return {
        job_id: {name: values[name] for name in wanted} | {"looked_number": _looked_number(job_id, copies)}
        for job_id, values in ordered
    }


def _looked_number(job_id: str, copies: list[Copy]) -> int | None:
    """Return 0 for a job that was opened to reuse results, else None: it shares them with its file's other jobs."""
    return 0 if any(copy.jobs.get(job_id, {}).get("looked_number") is not None for copy in copies) else None


def _filled(job_id: str, unread: Collection[str], copies: list[Copy]) -> dict[str, Any]:
    """Return what other copies say where a column of the best copy's row cannot be read."""
    return {
        name: copy.jobs[job_id][name]
        for name in unread
        for copy in reversed(copies)  # so that the best one stays
        if job_id in copy.jobs and name in copy.jobs[job_id] and name not in copy.unread.get(job_id, ())
    }


def _lost_of_row(job_id: str, copies: list[Copy]) -> list[str]:
    """Return the columns of a job's row that were given by somebody, and that no copy knows."""
    having = [copy for copy in copies if job_id in copy.jobs]
    lost = frozenset.intersection(*(copy.unread.get(job_id, frozenset()) for copy in having)) & _GIVEN
    lost -= UNSAID if all(copy.state for copy in having) else set()  # see _assumed()
    return sorted(lost)


def _lost_text(lost: list[str]) -> str | None:
    *others, last = lost or [""]
    names = f"{', '.join(others)} and {last}" if others else last
    return f"its {names} {'are' if others else 'is'} lost" if lost else None


def _assumed(job_id: str, values: dict[str, Any], copies: list[Copy]) -> str | None:
    notes = []
    if all(copy.state for copy in copies if job_id in copy.jobs):
        notes.append("no state file says whether it is sequential: it is taken for a job that is not")
    if UNKNOWN_TIME in (values["started_at"], values["updated_at"]):
        notes.append("no copy says when it began or changed: the time of this recovery stands there")
    return "; ".join(notes) or None


def _grown(job_id: str, total: int, copies: list[Copy]) -> dict[str, Any]:
    """Return what another copy says of a job that has grown since the best copy was made, as its chunks tell."""
    having = [copy for copy in copies if job_id in copy.jobs]
    newer = [copy.jobs[job_id] for copy in having if max(copy.chunks.get(job_id, ()), default=-1) >= total]
    last = max(newer, key=lambda values: int(values["total_chunks"]), default={})
    return {name: last[name] for name in _OF_GROWTH if last}


_OF_GROWTH: Final = ("total_chunks", "chunks_digest", "fingerprint_rule", "status", "error_message")
"""The columns of ``jobs`` that change when a job grows: they come together from the copy with the most chunks."""
_PLAN: Final = ("file_name", "model", "provider", "total_chunks", "config", "sequential")
_GIVEN: Final = frozenset((*_PLAN, "video_title", "metadata", "error_message"))
"""The columns of ``jobs`` that nothing else in the store tells: the report names those that no copy has."""
_JOB_NUMBER_MAX: Final = 1 << 62
_MADE_ANEW: Final = ("job_number", "is_current", "looked_number", "looked_jobs", "looked_chunks")
"""The columns of ``jobs`` that are no part of a job: the new store fills them in itself."""


def _fill_chunks(
    connection: sqlite3.Connection, job_id: str, total: int, copies: list[Copy]
) -> tuple[Counter[str], int]:
    taken, unverified = Counter[str](), 0
    indices = sorted({index for copy in copies for index in copy.chunks.get(job_id, ()) if 0 <= index < total})
    for index in indices:
        best = best_result(job_id, index, copies)
        if best is not None:
            name, chunk = best
            moment = now() if chunk.completed_at in ("", UNKNOWN_TIME) else chunk.completed_at
            record(
                connection,
                Completion(job_id, index, moment, chunk.text, chunk.digest, chunk.fingerprint),
                answers=chunk.answers,
            )
            if chunk.source is not None:
                set_source(connection, job_id, index, chunk.source)
            if chunk.differs_in is not None:
                set_settings(connection, job_id, index, chunk.differs_in)
            taken[name] += 1
            unverified += not chunk.proven
    return taken, unverified


def _known(job_id: str, copies: list[Copy]) -> int:
    """Return the number of completed chunks of a job over all copies."""
    indices = {index for copy in copies for index in copy.chunks.get(job_id, ())}
    counts: list[int] = [copy.jobs[job_id]["completed_count"] for copy in copies if job_id in copy.jobs]
    return max(len(indices), *counts, 0)
