"""A large state file that grows with its job: one writing costs about as many bytes as the new results.

Each writing exchanges the state file and its ``.bak``. The results that ``.bak`` lacks are written into
``.bak`` under a hidden name. Then ``.bak`` becomes the state file, and the state file becomes ``.bak``. Each result is
written twice altogether, once into each file, however often the state file is written. A reader finds both files whole.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.state.state_text import (
    head_bytes_max,
    results_text,
    roomy_head_bytes,
    state_head,
    state_tail,
    state_text,
)
from checkpoint_store.state_file.file_results import FileResults, NewResults, all_results, head_bytes_of
from checkpoint_store.system.file_exchange import Identity, Rewriting, exchange, identity
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.files import sync_folder
from checkpoint_store.system.threads import giving_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.verbs.job_content import JobContent

_LEFT_TO_OTHERS_SECONDS: Final = 60.0
"""Leave the state file to another process until it has stood unchanged for this many seconds."""
_REWRITE_SECONDS_MIN: Final = 60.0
"""Wait this many seconds between two whole files while ``.bak`` cannot be extended. Each of them doubles the wait."""
_FILES: Final = 2
"""The number of files that are exchanged: the state file and its ``.bak``."""


def stored_text(snapshot: JobContent) -> Iterator[str]:
    """Yield the text of a job's state from one snapshot, in constant memory. The results are the stored texts."""
    results = snapshot.result_texts(), snapshot.chunks_with_result()
    yield from giving_turns(state_text(snapshot.job, snapshot.completed_chunks(), *results, snapshot.redo_chunks()))


class _Written(NamedTuple):
    """The content of a file that this process wrote. It is valid while the file on the disk is still ``file``."""

    file: Identity
    job: JobRecord
    results: FileResults


class Outcome(NamedTuple):
    """The outcome of :meth:`GrowingFile.update`."""

    is_written: bool
    """Whether the state file shows the job as it is now."""
    overhead_bytes: int
    """The expected overhead of the next writing, in bytes; 0 if only a try can tell."""


class GrowingFile:
    """A state file with its ``.bak``, and what this process knows of the two. For one thread at a time."""

    def __init__(self, path: Path, backup: Path, like: Path) -> None:
        self._path = path
        self._backup = backup
        self._like = like
        self.forget()
        self._replaced = 0
        """How many whole files were written since ``.bak`` was extended last."""
        self._patience_seconds = _REWRITE_SECONDS_MIN
        """How long the next whole file waits after the last one while ``.bak`` cannot be extended."""
        self._patient_until = float("-inf")
        """When the wait of ``_patience_seconds`` ends, on the monotonic clock."""
        self._others_file: Identity | None = None
        """The newest state file of another process, if any."""
        self._others_since = 0.0
        """When this process saw the file of the other process first, on the monotonic clock."""

    def forget(self) -> None:
        """Forget all that is known of both files: another process may have written them."""
        self._newest: _Written | None = None
        """The state file as this process wrote it; None where that is not known."""
        self._before: _Written | None = None
        """``.bak`` as this process wrote it; None where that is not known."""
        self._own: Identity | None = None
        """The state file that this process wrote last, if any, whether or not its results are known."""

    def wrote(self) -> None:
        """Note that this process wrote a whole state file without :meth:`update`: its results are not known here."""
        self.forget()
        self._own = identity(self._path)

    def is_followed_by_another(self, moment: float) -> bool:
        """Whether another process wrote the state file: noticed here first, less than a minute before ``moment``."""
        present = identity(self._path)
        if present is None or self._own is None or self._own.is_before(present):
            return False
        if present != self._others_file:
            self._others_file, self._others_since = present, moment
        return moment - self._others_since < _LEFT_TO_OTHERS_SECONDS

    def update(self, snapshot: JobContent, overhead_bytes_max: int | None) -> Outcome:
        """Let the state file show the job as the snapshot has it. What is written is durable when this returns.

        Args:
            snapshot: the job.
            overhead_bytes_max: the most overhead of this writing. A whole file that is larger is written only if it is
                one of the first two, or the wait since the last one is over. New results may stand behind the results
                of earlier writings. None: the file is written now, in the order of the chunks.
        """
        is_exact = overhead_bytes_max is None
        if self._shows(snapshot, is_exact=is_exact):
            return Outcome(is_written=True, overhead_bytes=0)
        before = self._before if self._knows_both(snapshot.job) else None
        new = None if before is None else before.results.new_results(giving_turns(snapshot.result_keys()))
        if before is not None and new is not None:
            overhead_bytes = self._extend(snapshot, before, new, is_exact=is_exact)
            if overhead_bytes is not None:
                self._replaced, self._patience_seconds = 0, _REWRITE_SECONDS_MIN
                return Outcome(is_written=True, overhead_bytes=overhead_bytes)
        if overhead_bytes_max is not None and not self._may_replace(overhead_bytes_max):
            return Outcome(is_written=False, overhead_bytes=0)
        self._replace(snapshot)
        return Outcome(is_written=True, overhead_bytes=0)

    def _may_replace(self, overhead_bytes_max: int) -> bool:
        """Whether a whole file may be written while the job runs; if so, count it."""
        lacks_one = (self._newest is None or self._before is None) and self._replaced < _FILES
        is_paid_for = self._newest is not None and self._newest.file.size_bytes <= overhead_bytes_max
        moment = time.monotonic()
        if not lacks_one and not is_paid_for and moment < self._patient_until:
            return False
        self._replaced += 1
        if not lacks_one:
            self._patience_seconds *= 2
        self._patient_until = moment + self._patience_seconds
        return True

    def _shows(self, snapshot: JobContent, *, is_exact: bool) -> bool:
        """Whether the state file shows the job as it is now."""
        newest = self._newest
        if newest is None or newest.job != snapshot.job or identity(self._path) != newest.file:
            return False
        if newest.job.redo_count or (is_exact and not newest.results.is_in_order):
            return False
        new = newest.results.new_results(giving_turns(snapshot.result_keys()))
        return new is not None and not new.indices

    def _knows_both(self, job: JobRecord) -> bool:
        """Whether the state file and ``.bak`` show this job, and both are as this process wrote them."""
        newest, before = self._newest, self._before
        if newest is None or before is None or {newest.job.job_id, before.job.job_id} != {job.job_id}:
            return False
        return (identity(self._path), identity(self._backup)) == (newest.file, before.file)

    def _extend(self, snapshot: JobContent, before: _Written, new: NewResults, *, is_exact: bool) -> int | None:
        """Write what ``.bak`` lacks into ``.bak``, and exchange it with the state file. Durable when this returns.

        Returns the overhead in bytes. None if nothing was written: another program has ``.bak`` open, ``.bak`` has no
        room for the longer list of chunks, or ``is_exact`` asks for the order of the chunks, and the new results would
        break it.
        """
        newest, results = self._newest, before.results.and_these(new)
        if is_exact and not results.is_in_order:
            return None
        try:
            with exchange(self._backup, before.file, self._path) as under_way:
                if under_way is None:
                    return None
                self.forget()
                end_bytes = self._write_into(under_way.rewriting, snapshot, before.results, new)
        except _NoRoomError:
            return None
        for file in under_way.written:
            written = _Written(file, snapshot.job, results._replace(end_bytes=end_bytes))
            self._own, self._newest, self._before = file, written, self._written_in_backup([newest])
        return under_way.rewriting.written_bytes - (end_bytes - before.results.end_bytes)

    def _write_into(self, file: Rewriting, snapshot: JobContent, old: FileResults, new: NewResults) -> int:
        """Write a state over an older one, whose results stay where they stand: the new results follow them.

        Returns the byte offset behind the last result.
        """
        indices = old.indices.and_these(new.indices)
        without_result = snapshot.chunks_without_result(len(indices))
        try:
            for text in state_head(snapshot.job, giving_turns(chain(indices.pages(), without_result)), old.head_bytes):
                file.write_changed(text)
        except ValueError as error:
            raise _NoRoomError from error
        file.at_bytes = old.end_bytes
        for text in giving_turns(results_text(snapshot.result_texts(new.indices), has_earlier=len(old.indices) > 0)):
            file.write(text)
        end_bytes = file.at_bytes
        for text in state_tail(snapshot.job, giving_turns(indices.pages()), snapshot.redo_chunks()):
            file.write(text)
        return end_bytes

    def _replace(self, snapshot: JobContent) -> None:
        """Write a whole new state file, with spare room for a longer list of chunks. Durable when this returns."""
        known = (self._newest, self._path), (self._before, self._backup)
        earlier = [written for written, path in known if written is not None and written.file == identity(path)]
        self.forget()
        head_bytes = self._roomy_head_bytes(snapshot.job)
        if head_bytes is None:
            replace_file(self._path, stored_text(snapshot), backup=self._backup, like=self._like)
            self._own = identity(self._path)
            return
        tail_bytes = 0

        def text() -> Iterator[str]:
            nonlocal tail_bytes
            yield from state_head(snapshot.job, snapshot.completed_chunks(), head_bytes)
            yield from results_text(snapshot.result_texts())
            for part in state_tail(snapshot.job, snapshot.chunks_with_result(), snapshot.redo_chunks()):
                tail_bytes += len(part.encode())
                yield part

        size_bytes = replace_file(self._path, giving_turns(text()), backup=self._backup, like=self._like)
        results = all_results(snapshot, head_bytes, size_bytes - tail_bytes)
        self._own = identity(self._path)
        self._newest = None if self._own is None or results is None else _Written(self._own, snapshot.job, results)
        self._before = self._written_in_backup(earlier)

    def _written_in_backup(self, earlier: Iterable[_Written | None]) -> _Written | None:
        """Return the content of ``.bak``, if ``.bak`` is one of these earlier files of this process; otherwise None."""
        in_backup = identity(self._backup)
        if in_backup is None:
            return None
        return next(
            (written._replace(file=in_backup) for written in earlier if written and written.file.is_before(in_backup)),
            None,
        )

    def _roomy_head_bytes(self, job: JobRecord) -> int | None:
        """Return how many bytes to keep for the text before the results. None: as many as the text has.

        The new file keeps the room of the state file that it replaces, if that room is enough: the file of a job that
        did not change stays the same, byte for byte. Otherwise only a job that is running gets spare room.
        """
        head_bytes = head_bytes_of(self._path, job.job_id)
        if head_bytes is not None and head_bytes >= head_bytes_max(job, job.completed_count):
            return head_bytes
        return roomy_head_bytes(job, job.completed_count) if job.status is JobStatus.RUNNING else None

    def drop_previous(self) -> None:
        """Remove ``.bak`` if this process wrote both files: the state file has all results of ``.bak`` then."""
        if self._before is not None and self._newest is not None and self._knows_both(self._newest.job):
            self._before = None
            self._backup.unlink()
            sync_folder(self._backup.parent)


class _NoRoomError(Exception):
    """The list of completed chunks is longer than the room that the file has for it."""
