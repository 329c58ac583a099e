"""Read what can still be read of a store file, row by row, whatever its state."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import codec
from checkpoint_store._db import failures, frames, tries
from checkpoint_store._db.checkup import MISCOUNTED
from checkpoint_store._db.schema import jobs as jobs_table
from checkpoint_store._db.tries import Tries
from checkpoint_store.files import create_private, temporary_path
from checkpoint_store.state import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_JOB_COLUMNS: Final = tuple(column.name for column in jobs_table.columns)
_MOST_JOBS: Final = 100_000
_ALONE: Final = "mode=ro&immutable=1"
"""No one has it open (the caller has seen to that), so no lock, and no file beside it, is needed."""
_PATIENCE: Final = 512
"""So many keys in a row may fail to read before the steps grow."""


@dataclass(slots=True)
class Chunk:
    """What a copy says of a completed chunk. ``text`` is None where its result was not found."""

    completed_at: str
    fingerprint: str | None
    digest: str | None
    text: str | None = None
    proven: bool = True
    """Whether the digest was stored beside the result, and not just made of the text at hand."""


@dataclass(slots=True)
class Copy:
    """What one surviving copy knows. Results in it are verified, each by a digest of this same copy."""

    name: str
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    chunks: dict[str, dict[int, Chunk]] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    """When which job was deleted."""
    complete: bool = True
    """Whether everything in it could be read."""
    backup: bool = False
    """Whether it is from an earlier time than the store."""
    state: bool = False
    """Whether it is a state file."""
    torn: bool = False
    """Whether it is the beginning of a state file, without the job's config."""
    tries: Tries = field(default_factory=Tries)

    def chunk(self, job_id: str, index: int, at: str) -> Chunk:
        """Return the entry for a chunk, making it where it is not known yet."""
        return self.chunks.setdefault(job_id, {}).setdefault(index, Chunk(at, None, None))


def read_store(path: Path, name: str, base: bytes = b"") -> list[Copy]:
    """Return what can be read of the store file at ``path``, which no one has open, best first. Changes nothing.

    ``base`` are the pages of a new store, for a log without a file.

    A log or journal that is not its own (from another time, or another store) spoils a sound file: then the file
    alone goes before the two together.
    """
    alone = read_copy(path, name)
    log = path.with_name(f"{path.name}-wal")
    if has_bytes(str(log)) and (not has_bytes(str(path)) or frames.broken_inside(log)):
        return [_rebuilt(path, log, name, base), alone]
    sidecars = [suffix for suffix in ("-wal", "-journal") if has_bytes(f"{path}{suffix}")]
    if not sidecars:
        return [alone]
    apart = temporary_path(path)
    try:
        for suffix in ("", *sidecars):
            part = apart.with_name(f"{apart.name}{suffix}")
            create_private(part)
            shutil.copyfile(f"{path}{suffix}", part)
        together = read_copy(apart, name, how="mode=rw")
        if _has_foreign_journal(path) or not _is_own(path, apart, "mode=rw"):
            alone.name = f"{name} without its log"
            found = [alone, together]
        else:
            found = [together]
    except OSError:  # no room for a second one
        found = [alone]
    finally:
        for suffix in ("-wal", "-shm", "-journal", ""):
            with suppress(OSError):
                os.unlink(f"{apart}{suffix}")
    return found


def _rebuilt(path: Path, log: Path, name: str, base: bytes) -> Copy:
    """Return what reads of a file with every sound page of its log, also of those behind a broken one."""
    apart = temporary_path(path)
    try:
        create_private(apart)
        frames.apply(path, log, apart, base=base)
        return read_copy(apart, f"{name} and the sound pages of its log")
    except OSError:  # no room for a second one
        return Copy(name, complete=False)
    finally:
        with suppress(OSError):
            os.unlink(apart)


def has_bytes(name: str) -> bool:
    """Whether there is a file of this name, and something in it."""
    try:
        return os.stat(name).st_size > 0
    except OSError:
        return False


def read_copy(path: Path, name: str, *, how: str = _ALONE) -> Copy:
    """Return what can be read of the store file at ``path`` (by itself, or with its log); empty where nothing can."""
    copy = Copy(name)
    try:
        with closing(_open(path, how)) as driver:
            copy.deleted = _deleted(driver)
            _read_jobs(driver, copy)
            _read_completed(driver, copy)
            _read_results(driver, copy)
            totals = {job_id: values["total_chunks"] for job_id, values in copy.jobs.items()}
            copy.tries = tries.read(driver, totals, _rows)
    except sqlite3.Error:
        copy.complete = False
    return copy


def foreign_sidecar(path: Path) -> str | None:
    """Return why the log or journal beside a file that no one has open is not its own, or None where it may be.

    Asked before SQLite takes it in, which cannot be undone.
    """
    if _has_foreign_journal(path):
        return "the journal beside it is not its own"
    if not has_bytes(f"{path}-wal"):
        return None
    if frames.broken_inside(path.with_name(f"{path.name}-wal")):
        return "the log beside it is broken in the middle, and more was committed behind that"
    own = _is_own(path, path, "mode=ro")
    return None if own else "the log beside it is of another time or of another file"


def counts_of(path: Path, how: str = _ALONE) -> tuple[dict[str, int], dict[str, str]]:
    """Return the completed chunks of each job at ``path``, and the jobs deleted there; nothing if it does not read."""
    with suppress(sqlite3.Error), closing(_open(path, how)) as driver:
        return known(driver)
    return {}, {}


def known(driver: sqlite3.Connection) -> tuple[dict[str, int], dict[str, str]]:
    """Return the number of completed chunks of each job, and when which job was deleted."""
    counts = dict(driver.execute("SELECT job_id, completed_count FROM jobs").fetchall())
    return counts, _deleted(driver)


def lacks(has: dict[str, int], deleted: dict[str, str], other: dict[str, int]) -> bool:
    """Whether what has these counts, and deleted those jobs, knows less than another copy: it went back in time."""
    return any(has.get(job_id, -1) < count and job_id not in deleted for job_id, count in other.items())


def _deleted(driver: sqlite3.Connection) -> dict[str, str]:
    with suppress(sqlite3.Error):
        return dict(driver.execute("SELECT job_id, deleted_at FROM deleted_jobs").fetchall())
    return {}


def _has_foreign_journal(path: Path) -> bool:
    """What is kept with a log has no journal; and a journal that is needed follows pages half written."""
    return has_bytes(f"{path}-journal") and _is_sound(path) and _has_log_mode(path)


def _is_own(alone: Path, together: Path, how: str) -> bool:
    """Whether a log carries a file forward: it never spoils it, and takes no chunk and no job without saying so."""
    if not _is_sound(alone):
        return True
    return _is_sound(together, how) and not lacks(*counts_of(together, how), counts_of(alone)[0])


def _has_log_mode(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:  # no one has it open, so no lock can be lost by this
        return file.read(20)[18:] == b"\2\2"
    return False


def _is_sound(path: Path, how: str = _ALONE) -> bool:
    try:
        with closing(_open(path, how)) as driver:
            return (
                driver.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
                and driver.execute("PRAGMA foreign_key_check").fetchone() is None
                and driver.execute(MISCOUNTED).fetchone() is None
            )
    except sqlite3.Error as error:
        if failures.says_nothing_of_contents(error):
            raise  # a full disk must not make a sound log look foreign
        return False


def _open(path: Path, how: str) -> sqlite3.Connection:
    driver = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5, isolation_level=None)
    # What is no UTF-8 is damage, and shows as a digest that does not match.
    driver.text_factory = lambda raw: raw.decode("utf-8", "replace")
    driver.execute("PRAGMA writable_schema = ON")  # else a file shorter than its header says is not read at all
    driver.execute("PRAGMA query_only = ON")
    driver.execute("PRAGMA trusted_schema = OFF")
    driver.execute("PRAGMA temp_store = MEMORY")
    return driver


def _rows(
    copy: Copy | Tries, fetch: Callable[[int], Iterator[tuple[Any, ...]]], first: int, last: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows with keys from ``first`` to ``last``; ``fetch(k)`` gives those from key ``k``, key first.

    Where reading stops, it goes on one key further, so a bad page costs the rows on it and no others.
    """
    start, missed = first, 0
    while start <= last:
        try:
            for row in fetch(start):
                if not isinstance(row[0], int) or row[0] < start:
                    raise sqlite3.DatabaseError("a key is no number, or out of order")
                start, missed = row[0] + 1, 0
                yield row
        except sqlite3.Error:
            copy.complete = False
            missed += 1
            # A page of rows is passed one by one; what is still unreadable then is a whole part of the tree.
            start += 1 << max(0, missed - _PATIENCE)
        else:
            return


def _read_jobs(driver: sqlite3.Connection, copy: Copy) -> None:
    columns = ", ".join(_JOB_COLUMNS)
    statement = f"SELECT {columns} FROM jobs WHERE job_number >= ? ORDER BY job_number"  # noqa: S608 - our own names
    for row in _rows(copy, lambda key: driver.execute(statement, (key,)), 0, _top(driver, "jobs", _MOST_JOBS)):
        values = dict(zip(_JOB_COLUMNS, row, strict=True))
        if _sound_job(values):
            copy.jobs[values["job_id"]] = values
        else:
            copy.complete = False


def _sound_job(values: dict[str, Any]) -> bool:
    counts = (values["total_chunks"], values["completed_count"])
    try:
        config = codec.decode(values["config"])
    except (TypeError, ValueError):
        return False
    return (
        isinstance(config, dict)
        and all(isinstance(count, int) for count in counts)
        and 0 <= values["completed_count"] <= values["total_chunks"]
        and values["status"] in list(JobStatus)
        and isinstance(values["file_name"], str)
        and all(isinstance(values[name], str) and values[name] for name in ("job_id", "started_at"))
    )


def _top(driver: sqlite3.Connection, table: str, otherwise: int) -> int:
    with suppress(sqlite3.Error):
        found = driver.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        return int(found or 0)
    return otherwise


def _read_completed(driver: sqlite3.Connection, copy: Copy) -> None:
    statement = (
        "SELECT chunk_index, completed_at, fingerprint, digest FROM completed_chunks "
        "WHERE job_id = ? AND chunk_index >= ? ORDER BY chunk_index"
    )
    for job_id, values in copy.jobs.items():

        def fetch(key: int, job_id: str = job_id) -> Iterator[tuple[Any, ...]]:
            return driver.execute(statement, (job_id, key))

        for index, at, fingerprint, digest in _rows(copy, fetch, 0, values["total_chunks"] - 1):
            chunk = copy.chunk(job_id, index, str(at))
            chunk.fingerprint, chunk.digest = fingerprint, digest


def _read_results(driver: sqlite3.Connection, copy: Copy) -> None:
    statement = (
        "SELECT rowid, job_id, chunk_index, result, digest FROM chunk_results NOT INDEXED "
        "WHERE rowid >= ? ORDER BY rowid"
    )
    likely = sum(values["completed_count"] for values in copy.jobs.values()) * 2 + 20_000
    top = _top(driver, "chunk_results", likely)
    for _, job_id, index, text, digest in _rows(copy, lambda key: driver.execute(statement, (key,)), 0, top):
        if not isinstance(text, str) or not isinstance(index, int) or not isinstance(job_id, str):
            copy.complete = False
            continue
        found = codec.digest(job_id, index, text)
        known = copy.chunks.get(job_id, {}).get(index)
        if found != digest and (known is None or found != known.digest):
            copy.complete = False
            continue
        chunk = copy.chunk(job_id, index, copy.jobs.get(job_id, {}).get("updated_at", ""))
        chunk.text, chunk.digest = text, found


def read_torn_state(path: Path, name: str) -> Copy:
    """Return what the beginning of a state file says that we wrote and that does not read as a whole.

    It has one line for each result, so those before the first line that does not read are in their places.
    """
    copy = Copy(name, complete=False, state=True, torn=True)
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        lines = iter(path.read_bytes().split(b"\n"))
        next(lines)
        head = _torn_head(lines)
        job_id, completed = head["job_id"], head["completed_chunks"]
        if not all(type(index) is int and 0 <= index < head["total_chunks"] for index in completed):
            return copy
        values = dict.fromkeys(_JOB_COLUMNS) | {name: head[name] for name in _HEAD if name in _JOB_COLUMNS}
        values |= {"status": "paused", "config": "{}", "started_at": _UNKNOWN_TIME, "updated_at": _UNKNOWN_TIME}
        values |= {"stretch_started_at": _UNKNOWN_TIME, "is_current": 1}
        values |= {"completed_count": len(completed), "stretch_completed_count": len(completed)}
        if not _sound_job(values):
            return copy
        copy.jobs[job_id] = values
        for index in completed:
            copy.chunk(job_id, index, _UNKNOWN_TIME).proven = False
        _torn_results(lines, job_id, completed, copy)
    return copy


_UNKNOWN_TIME: Final = "1970-01-01T00:00:00.000Z"
_HEAD: Final = "version job_id status file_name video_title model provider total_chunks completed_chunks".split()


def _torn_head(lines: Iterator[bytes]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    for name in _HEAD:
        line = next(lines, b"").decode().strip().removesuffix(",")
        ((key, value),) = json.loads("{" + line + "}").items()
        if key != name:
            raise ValueError(name)
        head[name] = value
    return head


def _torn_results(lines: Iterator[bytes], job_id: str, completed: list[int], copy: Copy) -> None:
    if next(lines, b"").strip() != b'"processed_results": [':
        return
    for index, line in zip(completed, lines, strict=False):
        if line[:4] != b"    ":
            return
        # A line cut off behind a whole number would read as another number: only a comma, or the end, closes it.
        if not line.endswith(b",") and line[-1:] not in b'}]"':
            return
        result = json.loads(line.decode().removesuffix(","))
        chunk = copy.chunk(job_id, index, _UNKNOWN_TIME)
        chunk.text = codec.encode(result)
        chunk.digest = codec.digest(job_id, index, chunk.text)
