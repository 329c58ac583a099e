"""A large state file that grows with its job, at the cost of what is new.

The state file and its ``.bak`` take turns. What ``.bak`` lacks of the newest state is written into it, out of sight,
and it becomes the state file; the state file becomes ``.bak``. So each result is written twice in all, however often
the file follows, and both files are whole.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.state_text import (
    FIRST_RESULT,
    NEXT_RESULT,
    head_bytes_max,
    results_text,
    roomy_head_bytes,
    state_head,
    state_tail,
    state_text,
)
from checkpoint_store.state_file.file_results import FileResults, Key, all_results
from checkpoint_store.state_file.reader import head_bytes_of
from checkpoint_store.system.files import replace_file, sync_folder
from checkpoint_store.system.second_life import Identity, Rewriting, identity, second_life
from checkpoint_store.system.turns import giving_turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkpoint_store.storage.job_snapshot import JobSnapshot
    from checkpoint_store.storage.records import JobRecord

_APART_SECONDS: Final = 60.0
"""A file that somebody else wrote is left to them while it changes within so many seconds. Where neither file can be
used, a whole one is written after so many seconds at the earliest, and each one that follows waits twice as long."""
_FILES: Final = 2
"""So many files take turns."""


def stored_text(snapshot: JobSnapshot) -> Iterator[str]:
    """Yield the text of a job's state, from one snapshot, in constant memory; results as they are stored."""
    results = snapshot.result_texts(), snapshot.chunks_with_result()
    yield from giving_turns(state_text(snapshot.job, snapshot.completed_chunks(), *results, snapshot.redo_chunks()))


class _Written(NamedTuple):
    """What is known of a file that this process wrote, as long as nobody else did."""

    file: Identity
    job: JobRecord
    results: FileResults


class Outcome(NamedTuple):
    """What came of bringing the state file up to date."""

    is_written: bool
    besides_bytes: int
    """What was written besides new results; or what would have been, where nothing was written."""


class GrowingFile:
    """A state file, and what this process knows of it and its ``.bak``. Used by one thread at a time."""

    def __init__(self, path: Path, backup: Path, like: Path) -> None:
        self._path = path
        self._backup = backup
        self._like = like
        self.forget()
        self._replaced = 0
        """How many whole files were written since one of them was gone on with."""
        self._patience_seconds, self._patient_until = _APART_SECONDS, float("-inf")
        """How long the next whole file waits, where the one before cannot be used; and until when."""
        self._seen: tuple[Identity | None, float] = None, 0.0
        """The file that somebody else wrote, and when it was seen first."""

    def forget(self) -> None:
        """Know nothing of the files: somebody else may have written them."""
        self._newest: _Written | None = None
        self._before: _Written | None = None
        self._own: Identity | None = None

    def wrote(self) -> None:
        """Note that this process wrote the file, and may not go on with it."""
        self.forget()
        self._own = identity(self._path)

    def is_followed_by_another(self, moment: float) -> bool:
        """Whether another process writes the file from time to time; asked at ``moment``, before it is written."""
        found = identity(self._path)
        if found is None or self._own is None or found == self._own:
            return False
        if found != self._seen[0]:
            self._seen = found, moment
        return moment - self._seen[1] < _APART_SECONDS

    def bring_up(self, snapshot: JobSnapshot, besides_bytes_max: int | None) -> Outcome:
        """Write the job as it is now; durable then.

        Without a limit, results stand in the order of the chunks, as in every exact state. With one, they may stand in
        the order in which they were recorded, and a whole file is written only where it is paid for, or seldom.
        """
        is_exact = besides_bytes_max is None
        if self._shows(snapshot, is_exact=is_exact):
            return Outcome(is_written=True, besides_bytes=0)
        before = self._before if self._goes_on(snapshot.job) else None
        new = None if before is None else before.results.new_keys(giving_turns(snapshot.result_keys()))
        if before is not None and new is not None:
            besides_bytes = self._extend(snapshot, before, new, is_exact=is_exact)
            if besides_bytes is not None:
                self._replaced, self._patience_seconds = 0, _APART_SECONDS
                return Outcome(is_written=True, besides_bytes=besides_bytes)
        if besides_bytes_max is not None and not self._may_replace(besides_bytes_max):
            return Outcome(is_written=False, besides_bytes=0)
        self._replace(snapshot)
        return Outcome(is_written=True, besides_bytes=0)

    def _may_replace(self, besides_bytes_max: int) -> bool:
        """Whether a whole file may be written while the job runs; if so, count it."""
        lacks_one = (self._newest is None or self._before is None) and self._replaced < _FILES
        is_paid_for = self._newest is not None and self._newest.file.size_bytes <= besides_bytes_max
        moment = time.monotonic()
        if not lacks_one and not is_paid_for and moment < self._patient_until:
            return False
        self._replaced += 1
        if not lacks_one:
            self._patience_seconds *= 2
        self._patient_until = moment + self._patience_seconds
        return True

    def _shows(self, snapshot: JobSnapshot, *, is_exact: bool) -> bool:
        """Whether the state file shows the job as it is now."""
        newest = self._newest
        if newest is None or newest.job != snapshot.job or identity(self._path) != newest.file:
            return False
        is_same = not newest.job.redo_count and newest.results.new_keys(giving_turns(snapshot.result_keys())) == []
        return is_same and (not is_exact or newest.results.is_in_order)

    def _goes_on(self, job: JobRecord) -> bool:
        """Whether both files show this job, as we wrote them."""
        newest, before = self._newest, self._before
        if newest is None or before is None or {newest.job.job_id, before.job.job_id} != {job.job_id}:
            return False
        return (identity(self._path), identity(self._backup)) == (newest.file, before.file)

    def _extend(self, snapshot: JobSnapshot, before: _Written, new: list[Key], *, is_exact: bool) -> int | None:
        """Write what ``.bak`` lacks into it, and let the two files change places.

        Returns how many bytes were written besides results. None where that is impossible: somebody reads ``.bak``, it
        lacks the room for the list of chunks, or its results would not stand in the order of an exact state.
        """
        newest, results = self._newest, before.results.and_these(new, 0)
        if is_exact and not results.is_in_order:
            return None
        try:
            with second_life(self._backup, before.file, self._path) as life:
                if life is None:
                    return None
                self.forget()
                end_bytes = self._write_into(life.rewriting, snapshot, before.results, results)
        except _NoRoomError:
            return None
        for file in life.written:
            written = _Written(file, snapshot.job, results._replace(end_bytes=end_bytes))
            self._own, self._newest, self._before = file, written, newest
        return life.rewriting.written_bytes - (end_bytes - before.results.end_bytes)

    def _write_into(self, file: Rewriting, snapshot: JobSnapshot, old: FileResults, now: FileResults) -> int:
        """Write a state over an older one whose results it begins with; return where the results end."""
        without_result = snapshot.chunks_without_result(len(now.indices))
        try:
            for text in state_head(snapshot.job, giving_turns(chain(now.pages(), without_result)), old.head_bytes):
                file.write_changed(text)
        except ValueError as error:
            raise _NoRoomError from error
        file.at_bytes, count = old.end_bytes, len(old.indices)
        for index in giving_turns(now.indices[count:]):
            file.write((NEXT_RESULT if count else FIRST_RESULT) + snapshot.result_text(index))
            count += 1
        end_bytes = file.at_bytes
        for text in state_tail(snapshot.job, giving_turns(now.pages()), snapshot.redo_chunks()):
            file.write(text)
        return end_bytes

    def _replace(self, snapshot: JobSnapshot) -> None:
        """Write a whole new file, with room before its results for the chunks to come."""
        earlier = self._newest, self._before
        self.forget()
        head_bytes = self._roomy_head_bytes(snapshot.job)
        if head_bytes is None:
            replace_file(self._path, stored_text(snapshot), backup=self._backup, like=self._like)
            self._own = identity(self._path)
            return
        tail = "".join(state_tail(snapshot.job, snapshot.chunks_with_result(), snapshot.redo_chunks()))

        def text() -> Iterator[str]:
            yield from state_head(snapshot.job, snapshot.completed_chunks(), head_bytes)
            yield from results_text(snapshot.result_texts())
            yield tail

        size_bytes = replace_file(self._path, giving_turns(text()), backup=self._backup, like=self._like)
        results = all_results(snapshot, head_bytes, size_bytes - len(tail.encode()))
        self._own, behind = identity(self._path), identity(self._backup)
        self._newest = None if self._own is None else _Written(self._own, snapshot.job, results)
        self._before = next((one for one in earlier if one is not None and one.file == behind), None)

    def _roomy_head_bytes(self, job: JobRecord) -> int | None:
        """Return how much room the text before the results gets: that in the file which is there, if that is enough.

        So a job that did not change has the same file. None where no more chunks are to come, and none is there.
        """
        there = head_bytes_of(self._path, job.job_id)
        if there is not None and there >= head_bytes_max(job, job.completed_count):
            return there
        return roomy_head_bytes(job, job.completed_count) if job.status is JobStatus.RUNNING else None

    def drop_previous(self) -> None:
        """Remove ``.bak`` where all that it has is in the state file, too, because the two took turns."""
        if self._before is not None and self._newest is not None and self._goes_on(self._newest.job):
            self._before = None
            self._backup.unlink()
            sync_folder(self._backup.parent)


class _NoRoomError(Exception):
    """The list of completed chunks has outgrown the room that a file has for it."""
