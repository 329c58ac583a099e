"""The records of saving a state: the knowledge of the caller, and the outcome."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from checkpoint_store.model.codec.digest import digest as digest_of
from checkpoint_store.model.codec.json_text import encode
from checkpoint_store.model.frozen import thaw

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.storage.records.records import JobRecord, Known


_JOBS_IN_MIND_MAX: Final = 64
_STORES_IN_MIND_MAX: Final = 64
_DIGESTS_IN_MIND_MAX: Final = 200_000
"""The number of results that the managers of all stores but the latest were given, at most: about 20 MB."""


class _RecordedOfJob(set[int | str]):
    """The chunks and the digests of one job; a set that weak references may have."""


class _RecordedHere:
    """The chunks, and the digests of results, that the managers of one program have recorded for the latest jobs."""

    def __init__(self) -> None:
        self._of_job: dict[str, _RecordedOfJob] = {}
        """The jobs used last."""
        self._held: WeakValueDictionary[str, _RecordedOfJob] = WeakValueDictionary()
        """The jobs used last, and the jobs of the managers that are alive."""
        self.latest: dict[Path | None, tuple[int, Looked]] = {}
        """For each store file, the process, and the knowledge of the manager that looked or saved last."""

    def add(self, job_id: str, what: Iterable[int | str]) -> None:
        """Note chunks that were recorded one by one, or digests of results that were saved."""
        self.of_job(job_id).update(what)

    def of_job(self, job_id: str) -> _RecordedOfJob:
        """Return what was recorded of a job. It is kept in mind while the caller keeps it, and a while longer."""
        recorded = self._of_job.pop(job_id, None) or self._held.setdefault(job_id, _RecordedOfJob())
        self._of_job[job_id] = recorded  # the job used longest ago stands first
        if len(self._of_job) > _JOBS_IN_MIND_MAX:
            with suppress(KeyError, RuntimeError):  # another thread forgets it
                del self._of_job[next(iter(self._of_job))]
        return recorded

    def keep_latest(self, looked: Looked) -> None:
        """Note what the manager knows that looked or saved last in a store, and forget the stores used longest ago."""
        self.latest.pop(looked.store, None)
        self.latest[looked.store] = os.getpid(), looked
        stores = list(self.latest.items())
        digests = sum(len(known.given) for _, (_, known) in stores)
        for store, (_, known) in stores[:-1]:
            if len(self.latest) <= _STORES_IN_MIND_MAX and digests <= _DIGESTS_IN_MIND_MAX:
                break
            self.latest.pop(store, None)
            digests -= len(known.given)

    def has(self, job_id: str, what: int | str) -> bool:
        """Whether the program has recorded this itself."""
        return what in self._held.get(job_id, ())


_recorded_here: Final = _RecordedHere()


class Looked(NamedTuple):
    """The knowledge of a manager about the current job, from its calls so far."""

    own_job_id: str | None = None
    """The job that the manager loaded or saved last, if any."""
    seen_job_id: str | None = None
    """The job that was current when the manager looked last, if any."""
    has_looked: bool = False
    """Whether the manager has looked at all. A manager that has not looked replaces any current job."""
    given: frozenset[str] = frozenset()
    """The digests of the results of its own job that it loaded or saved."""
    recorded: _RecordedHere = _recorded_here
    """The records of all managers of its program: a program may make a manager for each call."""
    has_saved: bool = False
    """Whether it saved a state after it looked, or its job is gone. Managers that never looked ignore it then."""
    store: Path | None = None
    """The store file."""
    recorded_of_own: _RecordedOfJob | None = None
    """The records of its own job, which are kept in mind while the manager lives."""

    def of_program(self) -> Looked:
        """Return what the manager knows; if it never looked, what another manager of its program saw just before."""
        process, latest = self.recorded.latest.get(self.store, (0, self))
        is_known = not self.has_looked and process == os.getpid() and not latest.has_saved
        return latest if is_known else self

    def job_of_program(self) -> str | None:
        """Return the job that the program loaded or saved last, if this manager has done neither; otherwise None."""
        process, latest = self.recorded.latest.get(self.store, (0, self))
        return latest.own_job_id if not self.has_looked and process == os.getpid() else None

    def check_job_of_program(self, has_job: Callable[[str], bool]) -> None:
        """Let managers that never looked go by the current job, if the store lacks the job that the program had last.

        The files of the store were removed or replaced then.
        """
        process, latest = self.recorded.latest.get(self.store, (0, self))
        if latest.own_job_id is not None and process == os.getpid() and not has_job(latest.own_job_id):
            self.recorded.latest[self.store] = process, latest._replace(has_saved=True)

    def noted(self) -> Looked:
        """Keep this for the managers of the program that never looked themselves, and return it."""
        if self.has_looked:
            self.recorded.keep_latest(self)
        return self

    def replaced_own(self, current_job_id: str) -> str | None:
        """Return the manager's own job if another one is current in its place."""
        return None if self.own_job_id == current_job_id else self.own_job_id

    def seen(self, job_id: str | None) -> Looked:
        """Return what the manager knows once it saw which job is current; None where there was none."""
        return self._replace(seen_job_id=job_id, has_looked=True, has_saved=False)

    def at(self, known: Known | None) -> Looked:
        """Return the knowledge of the manager after it has loaded a state, or found no current job (None)."""
        if known is None:
            return Looked(has_looked=True, recorded=self.recorded, store=self.store)
        job_id, digests = known.state.job_id, frozenset(filter(None, known.digests.values()))
        return self._of(job_id)._replace(given=self._of(job_id).given | digests)

    def after(self, job_id: str, saved: Saved) -> Looked:
        """Return the knowledge of the manager after it has saved a state."""
        self.recorded.add(job_id, saved.agreed_digests)
        known = self._of(job_id)
        return known._replace(given=known.given.union(saved.agreed_digests), has_saved=True)

    def note(self, job_id: str, chunk_index: int) -> None:
        """Note that the manager has recorded a chunk, or tried to."""
        if type(chunk_index) is int:
            self.recorded.add(job_id, [chunk_index])

    def was_given(self, job_id: str, chunk_index: int, result: object) -> bool:
        """Whether the manager loaded or saved this very result of this chunk."""
        return digest_of(job_id, chunk_index, encode(thaw(result))) in self.given

    def is_of_another(self, job_id: str, chunk_index: int, digest: str | None) -> bool:
        """Whether another program recorded the result of a chunk: the manager neither got it nor recorded it."""
        if digest is None or digest in self.given or job_id != self.own_job_id:
            return False
        return not (self.recorded.has(job_id, chunk_index) or self.recorded.has(job_id, digest))

    def _of(self, job_id: str) -> Looked:
        if job_id == self.own_job_id:
            return self.seen(job_id)
        its, kept = self.recorded, self.recorded.of_job(job_id)
        return Looked(job_id, job_id, has_looked=True, recorded=its, store=self.store, recorded_of_own=kept)


class Before(NamedTuple):
    """The facts about a job before a state of it is written."""

    digests: Mapping[int, str | None]
    """The digest of each completed chunk's result that the store has; None where it was completed without one."""
    unchanged: Collection[int] = ()
    """The chunks whose result is the same in the state and in the store."""
    stale: Collection[str] = ()
    """The digests of results that the caller got earlier. A newer result in the store stays."""
    answered: Collection[int] = ()
    """The chunks that were done again since the state was loaded. Their results in the store stay."""


class Written(NamedTuple):
    """The outcome of writing a state."""

    texts: dict[int, str]
    """The results that had to be encoded."""
    digests: dict[int, str | None]
    """The digest of each completed chunk's result that the store has now."""
    outdated: list[int]
    """The chunks whose result in the state is older than the result in the store, which stays."""
    over: list[int]
    """The chunks whose result in the state replaced a result that the caller never got."""
    agreed_digests: list[str]
    """The digests of the results that both the state and the store have now, but for those that did not change."""


class Saved(NamedTuple):
    """The outcome of saving a state."""

    known: Known | None
    """The content of the job in the store now; None if the store has more than the state."""
    replaced_by: JobRecord | None
    """The current job, if the job of the state did not become current; the state is recorded."""
    agreed_digests: Sequence[str]
    """The digests of the results that both the state and the store have now, but for those that did not change."""
    outdated: Sequence[int]
    """The chunks whose result in the state is older than the result in the store, which stays."""
    over: Sequence[int]
    """The chunks whose result in the state replaced a result that the caller never got."""
    passed_over: JobRecord | None
    """The job of the same file and settings that has most results, where the state began a job without any."""
