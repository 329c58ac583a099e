"""The chunks that this process has claimed, the loop that each was claimed for, and when no work on them may begin."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.model.service_answer import field_of
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import is_held_here
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any
    from weakref import ref

    from checkpoint_store.model.attempt import MadeFrom
    from checkpoint_store.storage.records.records import Claim
    from checkpoint_store.storage.verbs.claims import ClaimStorage


@dataclass(slots=True, eq=False)
class ClaimingLoop:
    """A loop, as far as the claims of its chunks need to know it."""

    attempts_max: int | None
    """Claim no chunk that has had this many attempts; None: no limit."""
    driven_by: int
    """The identifier of the thread that runs the loop."""
    thread: int
    """The identifier of the thread that the loop counts for: a thread does not wait for chunks of its own loops."""
    task: ref[Any] | None
    """The asyncio task that the loop counts for; None outside of an event loop."""
    places: int = 1
    """How many chunks the loop works on at the same time."""
    inside: tuple[int, int] | None = None
    """The attempt at a chunk of the job, by its index and number, whose work runs the loop; None if no work does."""
    is_active: bool = True
    looked_for_pause_at: float = float("-inf")
    """When the loop last asked the store for a pause, on the monotonic clock."""
    started_in_a_row: int = 0
    """How many chunks were started since a chunk was completed or failed."""
    done_at: float = float("-inf")
    """When a chunk was completed or failed last, on the monotonic clock."""
    next_index: int | None = None
    """The chunk to claim in the transaction that completes the current chunk; None: the loop claims by a search."""
    claimed_along: list[ClaimedChunk] = field(default_factory=list)
    """The chunk that the last completion claimed, until the loop takes it: at most one."""

    @property
    def holds_thread(self) -> bool:
        """Whether nothing else happens in the thread of the loop while the loop waits: it is no loop for asyncio."""
        return self.driven_by == self.thread

    def holds_up(self, other: ClaimingLoop) -> bool:
        """Whether another loop, which has not ended, cannot go on while this loop waits.

        A loop for asyncio holds up its own task, and the loops in whose body its event loop runs. Any other loop holds
        up its whole thread, with all tasks in it.
        """
        is_in_task = self.task is not None and other.task == self.task
        is_around = other.task is None and other.holds_thread
        return other.thread == self.thread and (self.holds_thread or is_in_task or is_around)


class ClaimedChunk:
    """A chunk that a runner of this process has claimed."""

    __slots__ = (
        "attempts_in_loop", "begun", "claim", "dropped", "index", "is_failed", "is_taken", "is_yielded", "loop",
        "made_from", "number", "reported", "runner_id", "since",
    )  # fmt: skip

    def __init__(
        self, claim: Claim, runner_id: int, loop: ClaimingLoop, *, attempts_in_loop: int = 1, is_taken: bool = True
    ) -> None:
        self.claim: Final = claim
        """The chunk and the number of its attempt, as the store knows them."""
        self.index, self.number = claim.chunk_index, claim.number
        """The index of the chunk, 0-based, and the number of the attempt, 1-based."""
        self.runner_id: Final = runner_id
        self.loop: Final = loop
        self.since = time.monotonic()
        """When the work began, on the monotonic clock; before that, when the chunk was claimed."""
        self.begun = False
        """Whether the chunk is in doubt if it is freed now: its work may have begun, and gave no result."""
        self.made_from: MadeFrom | None = None
        """What the work on this attempt was given; None before it was given anything."""
        self.dropped = False
        """Whether the last reference to the chunk's handle is gone."""
        self.is_failed = False
        """Whether the failure of the attempt is recorded."""
        self.reported: list[BaseException | str] = []
        """The failures that the work has reported by hand, and whose cost counts."""
        self.is_taken = is_taken
        """Whether its loop has it. Otherwise any loop of this process may take it over."""
        self.is_yielded = False
        """Whether a caller has the chunk, who may keep it after the loop has ended."""
        self.attempts_in_loop = attempts_in_loop
        """How many attempts this loop has made at the chunk, this one included."""

    def has_reported(self, error: BaseException) -> bool:
        """Whether the cost of an exception counts already: the work has reported it, or what it was raised from."""
        own_cost = field_of(error, "cost")
        return any(known is error or (own_cost is None and known is error.__cause__) for known in self.reported)

    @property
    def seconds(self) -> float:
        """How long the work has taken so far."""
        return round(time.monotonic() - self.since, 6)


_by_runner: Final[WeakValueDictionary[tuple[str, int], ChunksInHand]] = WeakValueDictionary()
"""The chunks that this process has in hand, by the path of the store and the runner's id."""


class ChunksInHand(dict[int, ClaimedChunk]):
    """The claimed chunks of one job by index. Safe to share between threads, for what one statement does."""

    def __init__(self, store: Path, job_id: str) -> None:
        super().__init__()
        self._store, self.job_id = str(store), job_id
        self._releasing = threading.RLock()
        """Held while a chunk leaves the hand, so that it leaves once. Nobody who holds the lock waits for the disk."""
        self._searching = threading.RLock()
        """Held during a search for chunks to claim: it may take over a chunk of a loop that has ended."""
        self._left_in_search: list[ClaimedChunk] = []
        """The chunks to let go as soon as the search has ended."""

    def belong_to(self, runner_id: int) -> None:
        """Let every loop of this process find these chunks by the id of their runner."""
        _by_runner[self._store, runner_id] = self

    def forget_runner(self, runner_id: int | None) -> None:
        """Let no loop find these chunks by the id of a runner that ends."""
        _by_runner.pop((self._store, runner_id or 0), None)

    def is_of_this_process(self, runner_id: int) -> bool:
        """Whether this process has registered a runner, and has not ended it."""
        return (self._store, runner_id) in _by_runner

    def holds(self, chunk: ClaimedChunk) -> bool:
        """Whether this claim still stands: its attempt is neither done nor freed."""
        return self.get(chunk.index) is chunk

    def indices_of_loops(self) -> set[int]:
        """Return the indices of the chunks that loops have taken, and that are at work."""
        return {index for index, held in list(self.items()) if held.loop.is_active and held.is_taken}

    def release(self, chunk: ClaimedChunk, free_later: Callable[[ClaimedChunk], None]) -> bool:
        """Queue the release of a chunk (``free_later``), then take it out of the hand. Returns whether it was in hand.

        In the other order a search could find it in no hand, and take over its attempt; the release would then free a
        chunk that another loop works on. During a search the chunk stays: see :meth:`searched`.
        """
        with self._releasing:
            if not self.holds(chunk):
                return False
            if self._is_searched():
                self._left_in_search.append(chunk)
                return True
            free_later(chunk)
            if self.holds(chunk):  # a search may have freed the chunk and claimed it again
                self.pop(chunk.index, None)
            return True

    @contextmanager
    def searched(self, release: Callable[[list[ClaimedChunk]], object]) -> Iterator[None]:
        """Keep every chunk in hand during a search, and ``release`` those afterwards that were to leave meanwhile.

        Nothing is left to do for a chunk that the search has taken over: the hand holds the new claim.
        """
        try:
            with self._searching:
                with self._releasing:  # wait for a chunk that is leaving the hand
                    pass
                yield
        finally:
            with self._releasing:
                left, self._left_in_search = self._left_in_search, []
            if left:
                release(left)

    def _is_searched(self) -> bool:
        if is_held_here(self._searching):
            return True
        taken: list[bool] = []
        try:
            take(self._searching, taken)
            return not taken
        finally:
            if taken:
                self._searching.release()

    @property
    def has_yielded(self) -> bool:
        """Whether the caller of a loop holds a claimed chunk."""
        return any(chunk.is_yielded for chunk in list(self.values()))

    def attempt_at(self, index: int) -> tuple[int | None, float | None]:
        """Return the number of the attempt at a chunk, and its seconds so far; (None, None) without a claim."""
        chunk = self.get(index)
        return (None, None) if chunk is None else (chunk.number, chunk.seconds)

    def is_kept_from(self, loop: ClaimingLoop, index: int, runner_id: int) -> bool:
        """Whether a loop would wait in vain for a chunk that this process has claimed for a runner.

        That is so if this loop holds up the loop that took the chunk, or if the work that ran that loop has ended. If
        that loop has ended, its caller may have given the chunk to another thread: this loop waits for the chunk if
        the process has another thread.
        """
        chunk = self._chunk_of(runner_id, index)
        if chunk is None:
            return False
        holder, inside = chunk.loop, chunk.loop.inside
        if not holder.is_active:
            return loop.holds_thread and len(sys._current_frames()) == 1
        return loop.holds_up(holder) or (inside is not None and not self._is_at_work(*inside))

    def has_outlived_its_loop(self, index: int, runner_id: int) -> bool:
        """Whether the caller of a loop of this process has a chunk, and the loop has ended."""
        chunk = self._chunk_of(runner_id, index)
        return chunk is not None and not chunk.loop.is_active

    def _chunk_of(self, runner_id: int, index: int) -> ClaimedChunk | None:
        """Return a chunk that this process has claimed for a runner, or None."""
        chunks = _by_runner.get((self._store, runner_id))
        return None if chunks is None else chunks.get(index)

    def _is_at_work(self, index: int, number: int) -> bool:
        """Whether this process has an attempt at a chunk of this job in hand, in whichever store object."""
        for (store, _), chunks in list(_by_runner.items()):
            chunk = chunks.get(index) if store == self._store and chunks.job_id == self.job_id else None
            if chunk is not None and chunk.number == number:
                return True
        return False


def is_vain(storage: ClaimStorage, job_id: str, index: int) -> bool:
    """Whether a chunk needs no further try: it is complete, and not to be done again.

    Returns False if the store cannot be read: a loop looks at the chunk before the try. A late result that equals the
    result from before the redo was asked for answers no redo, so the chunk may still be one to do again.
    """
    try:
        return storage.completed_in(job_id, index, index + 1) > 0
    except CheckpointStoreError as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: whether another try is needed is not known")
        return False


class LateSettlement:
    """Lets no work begin while a thread records late results, and no longer than that."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while a late result is recorded, and while it is noted that work begins."""
        self._holder: int | None = None
        self._afterwards: list[Callable[[], None]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock in this block; then make the calls given to :meth:`afterwards`, without it. Not reentrant."""
        calls: list[Callable[[], None]] = []
        try:
            with self.lock:
                self._holder = threading.get_ident()
                try:
                    yield
                finally:
                    self._holder = None
                    calls, self._afterwards = self._afterwards, []
        finally:
            for call in calls:
                call()

    def afterwards(self, call: Callable[[], None]) -> None:
        """Make a call once this thread no longer holds the lock: now, if it does not hold the lock.

        The call may make a backup, which takes long, and hand it to a function of the caller's, which may wait for a
        loop of another thread.
        """
        if self._holder == threading.get_ident():
            self._afterwards.append(call)
        else:
            call()
