"""Heal a store in use: put damaged results back from copies.

A result is taken from a copy only if its digest is right: the digest binds a text to its job and chunk.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import CheckpointStoreError, StateFormatError, counted
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, open_copy
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.recovery.salvage.state_file import read_state, read_torn_state
from checkpoint_store.system.log import log_suppressed, log_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase

_COMPLETED: Final = """
SELECT job_id, chunk_index, result_id, CAST(digest AS BLOB) FROM completed_chunks
WHERE digest IS NOT NULL AND job_id = coalesce(?, job_id) ORDER BY job_id, chunk_index
"""
# As bytes: what is no UTF-8 is damage, and must not end the search for it.
_ROW: Final = """
SELECT job_id = ? AND chunk_index = ?, CAST(result AS BLOB), CAST(digest AS BLOB) FROM chunk_results WHERE result_id = ?
"""
_IN_COPY: Final = """
SELECT CAST(r.result AS BLOB) FROM completed_chunks c JOIN chunk_results r ON r.result_id = c.result_id
WHERE c.job_id = ? AND c.chunk_index = ?
"""
_REPAIR: Final = "UPDATE chunk_results SET job_id = ?, chunk_index = ?, result = ?, digest = ? WHERE result_id = ?"
_INSERT: Final = "INSERT INTO chunk_results (job_id, chunk_index, result, digest) VALUES (?, ?, ?, ?)"
_LINK: Final = "UPDATE completed_chunks SET digest = ?, result_id = ? WHERE job_id = ? AND chunk_index = ?"
_LINKED: Final = """
SELECT result_id, CAST(digest AS BLOB) FROM completed_chunks
WHERE job_id = ? AND chunk_index = ? AND result_id IS NOT NULL
"""
_CANDIDATES: Final = """
SELECT result_id FROM chunk_results WHERE result_id = ? OR (job_id = ? AND chunk_index = ?) ORDER BY result_id != ?
"""
_USERS: Final = "SELECT job_id, chunk_index FROM completed_chunks WHERE result_id = ?"


class Broken(NamedTuple):
    """A completed chunk whose result is damaged."""

    job_id: str
    chunk_index: int
    result_id: int
    digests: frozenset[str]
    """The digests beside the result; one of them may be damaged itself."""
    text: str | None
    """The text of the result, if only a digest beside it is damaged; else None."""

    def accepts(self, text: str) -> bool:
        """Whether a digest of the chunk proves that this text was its result."""
        return result_digest.digest(self.job_id, self.chunk_index, text) in self.digests


@dataclass(frozen=True, slots=True)
class Healing:
    """The outcome of a search for damaged results."""

    path: Path
    broken: int
    texts: Mapping[str, str]
    """The texts that copies have, by their digest."""
    sources: Mapping[str, int]
    """The number of texts from each copy, by its name."""
    put_back: bool
    """Whether the texts were put back into the store."""

    def __str__(self) -> str:
        taken = ", ".join(f"{count} from {name}" for name, count in self.sources.items())
        what = f"{self.path}: {counted(self.broken, 'damaged result')} found while reading"
        if self.put_back:
            sentence = f"{what}; put back: {taken}"
        else:
            remedy = f"Put them back: recover_store({str(self.path)!r})"
            sentence = f"{what}; read from copies, and not put back: {taken}. {remedy}"
        lost = self.broken - len(self.texts)
        return f"{sentence}; no copy has the other {lost}" if lost else sentence


def heal(database: AnyDatabase, state_files: Sequence[Path], job_id: str | None) -> Healing:
    """Look for the damaged results of a job (None: of all jobs), and put those that copies have back in a transaction.

    Durable when this returns with ``put_back``. Nothing is written to a store that is read-only, or whose structure is
    damaged: the pages of one row may then lead into another row.
    """
    broken = database.read_apart(lambda connection: list(_broken(connection, job_id)))
    sources, healed = Counter[str](), dict[Broken, str]()
    for result, text, name in _intact_texts(broken, database.path, state_files):
        healed[result] = text
        sources[name] += 1
    put_back = False
    if healed and not database.read_only:
        try:
            put_back = database.write(_put_back, healed)
        except CheckpointStoreError as error:  # no room, or more damage: reads use the healed texts all the same
            log_suppressed(error, f"{database.path}: damaged results are read from copies, and were not put back")
    texts = {result_digest.digest(result.job_id, result.chunk_index, text): text for result, text in healed.items()}
    return Healing(database.path, len(broken), texts, sources, put_back)


def _broken(connection: sqlite3.Connection, job_id: str | None) -> Iterator[Broken]:
    for own_job_id, index, result_id, digest in connection.execute(_COMPLETED, (job_id,)).fetchall():
        broken = _looked_at(connection, own_job_id, index, result_id, _text(digest))
        if broken is not None:
            yield broken


def _looked_at(connection: sqlite3.Connection, job_id: str, index: int, result_id: int, digest: str) -> Broken | None:
    """Return a completed chunk if its result is damaged; None if the result is sound."""
    row = None
    with suppress(*UNREADABLE):
        row = connection.execute(_ROW, (job_id, index, result_id)).fetchone()
    if row is None:
        return Broken(job_id, index, result_id, frozenset({digest}), None)
    is_own, *raw = row
    text, beside = map(_text, raw)
    if is_own and digest == beside == result_digest.digest(job_id, index, text):
        return None
    broken = Broken(job_id, index, result_id, frozenset({digest, beside}), None)
    return broken._replace(text=text) if broken.accepts(text) else broken


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _intact_texts(
    broken: Sequence[Broken], path: Path, state_files: Sequence[Path]
) -> Iterator[tuple[Broken, str, str]]:
    """Yield each damaged result that has a sound text in a copy, with the text and the name of the copy."""
    left = {(result.job_id, result.chunk_index): result for result in broken}
    for result in broken:
        if result.text is not None:
            yield left.pop((result.job_id, result.chunk_index)), result.text, "the store itself"
    for backup in Siblings(path).backups():
        if left:
            yield from _taken(left, _from_backup(backup, list(left.values())), f"the backup {backup.name}")
    for state_file in state_files:
        if left:
            yield from _taken(left, _from_state(state_file, list(left.values())), f"the state file {state_file.name}")


def _taken(
    left: dict[tuple[str, int], Broken], texts: Iterator[tuple[Broken, str]], name: str
) -> Iterator[tuple[Broken, str, str]]:
    for result, text in texts:
        if result.accepts(text):
            yield left.pop((result.job_id, result.chunk_index)), text, name


def _from_backup(backup: Path, wanted: Sequence[Broken]) -> Iterator[tuple[Broken, str]]:
    unread: Exception | None = None
    try:
        with closing(open_copy(backup, ALONE)) as connection:
            for result in wanted:
                try:
                    rows = connection.execute(_IN_COPY, (result.job_id, result.chunk_index)).fetchall()
                except UNREADABLE as error:  # other rows may read
                    unread = error
                    continue
                yield from ((result, _text(raw)) for (raw,) in rows)
    except UNREADABLE as error:
        unread = error
    if unread is not None:
        log_unread(backup, unread)


def _from_state(state_file: Path, wanted: Sequence[Broken]) -> Iterator[tuple[Broken, str]]:
    try:
        try:
            copy = read_state(state_file)
        except StateFormatError:
            copy = read_torn_state(state_file)
    except OSError as error:
        log_unread(state_file, error)
        return
    for result in wanted:
        chunk = copy.chunks.get(result.job_id, {}).get(result.chunk_index)
        if chunk is not None and chunk.text is not None:
            yield result, chunk.text


def _put_back(connection: sqlite3.Connection, healed: Mapping[Broken, str]) -> bool:
    """Write texts of copies over results that are still damaged. Return False if that is not safe."""
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        return False
    for result, text in healed.items():
        row: tuple[int, bytes] | None = connection.execute(_LINKED, (result.job_id, result.chunk_index)).fetchone()
        if row is None:
            continue  # deleted since
        linked_id, linked_digest = row
        if _looked_at(connection, result.job_id, result.chunk_index, linked_id, _text(linked_digest)) is None:
            continue  # replaced or put back since
        digest = result_digest.digest(result.job_id, result.chunk_index, text)
        values = (result.job_id, result.chunk_index, text, digest)
        result_id = _own_row(connection, result, linked_id)
        if result_id is None:
            result_id = connection.execute(_INSERT, values).lastrowid
        else:
            connection.execute(_REPAIR, (*values, result_id))
        connection.execute(_LINK, (digest, result_id, result.job_id, result.chunk_index))
    return True


def _own_row(connection: sqlite3.Connection, result: Broken, linked: int) -> int | None:
    """Return the row in chunk_results of a chunk, by its link or by its own columns; None if no row is its own."""
    candidates = connection.execute(_CANDIDATES, (linked, result.job_id, result.chunk_index, linked)).fetchall()
    for (result_id,) in candidates:
        users = connection.execute(_USERS, (result_id,)).fetchall()
        if all(user == (result.job_id, result.chunk_index) for user in users):
            return int(result_id)
    return None
