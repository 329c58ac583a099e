"""A chunk that this process has claimed, and the loop that it was claimed for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.records import NextClaim

if TYPE_CHECKING:
    from typing import Any
    from weakref import ref

    from checkpoint_store.model.attempt import MadeFrom
    from checkpoint_store.storage.records import Claim


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
    """Whether the loop has not ended."""
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

        A loop for asyncio holds up its own task, and any other loop its whole thread, with all tasks in it.
        """
        is_in_task = self.task is not None and other.task == self.task
        return other.thread == self.thread and (self.holds_thread or is_in_task)


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

    def tried_again(self, claim: Claim) -> ClaimedChunk:
        """Return this chunk as its loop has claimed it for another attempt, after this one has failed."""
        return ClaimedChunk(claim, self.runner_id, self.loop, attempts_in_loop=self.attempts_in_loop + 1)

    def has_reported(self, error: BaseException) -> bool:
        """Whether the cost of an exception counts already: the work has reported it, or what it was raised from."""
        own_cost = getattr(error, "cost", None)
        return any(known is error or (own_cost is None and known is error.__cause__) for known in self.reported)

    @property
    def seconds(self) -> float:
        """How long the work has taken so far."""
        return round(time.monotonic() - self.since, 6)

    @property
    def next_claim(self) -> NextClaim:
        """This chunk and its runner, for the transaction that completes another chunk and claims this one."""
        return NextClaim(self.claim.chunk_index, self.runner_id)
