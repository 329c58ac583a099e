"""The search for chunks to claim, in one write transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.storage.records.records import Claim, ClaimSearchResult
from checkpoint_store.storage.statements.attempts import attempts
from checkpoint_store.storage.statements.attempts.liveness import Liveness
from checkpoint_store.storage.statements.results import INDICES_BETWEEN

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.records.records import ClaimRequest
    from checkpoint_store.storage.statements.attempts.attempts import ChunkAttempts

_FIRST_WINDOW_CHUNKS: Final = 8
_WINDOW_CHUNKS_MAX: Final = 4096


def search(connection: sqlite3.Connection, store: Path, request: ClaimRequest) -> ClaimSearchResult:
    """Claim chunks as the request says, in the open transaction; see :meth:`ClaimStorage.claim`."""
    liveness = Liveness(connection, store, request.job_id, request.trusted_runner_ids)
    result = _Search(connection, request, liveness).run()
    has_reaped = bool(liveness.dead)
    if has_reaped:
        # What a dead runner had claimed is free or in doubt now. The claims made so far are found again.
        liveness = Liveness(connection, store, request.job_id)
        result = _Search(connection, request, liveness).run()
    return result._replace(alive_runner_ids=frozenset(liveness.alive), has_reaped=has_reaped)


class _Search:
    """One search through the spans of a request, the lowest chunk first."""

    def __init__(self, connection: sqlite3.Connection, request: ClaimRequest, liveness: Liveness) -> None:
        self._connection = connection
        self._request = request
        self._liveness = liveness
        self._claims: list[Claim] = []
        self._held: list[tuple[int, int]] = []
        self._is_blocked = False
        """Whether chunks are claimed in order, and the search has met an incomplete chunk."""

    @property
    def _is_done(self) -> bool:
        return len(self._claims) >= self._request.wanted or self._is_blocked

    def run(self) -> ClaimSearchResult:
        next_index = 0
        for start, stop in self._request.spans:
            if self._request.in_order and start and not self._is_complete(start - 1):
                next_index, self._is_blocked = start, True  # another loop, or shard, has the chunks before it
                break
            next_index = self._search_span(start, stop)
            if self._is_done:
                break
        return ClaimSearchResult(self._claims, self._held, next_index, is_blocked=self._is_blocked)

    def _is_complete(self, index: int) -> bool:
        row = self._connection.execute(INDICES_BETWEEN.text, (self._request.job_id, index, index + 1)).fetchone()
        return row is not None

    def _search_span(self, start: int, stop: int) -> int:
        """Claim chunks of ``[start, stop)``; return the index to go on from."""
        width = max(self._request.wanted - len(self._claims), _FIRST_WINDOW_CHUNKS)
        while start < stop and not self._is_done:
            start = self._search_window(start, min(start + width, stop))
            width = min(width * 4, _WINDOW_CHUNKS_MAX)
        return start

    def _search_window(self, start: int, stop: int) -> int:
        untried: list[int] = []
        next_index = self._claim_in_window(start, stop, untried)
        attempts.begin_first(self._connection, self._request.job_id, untried, self._request.runner_id)
        return next_index

    def _claim_in_window(self, start: int, stop: int, untried: list[int]) -> int:
        """Claim chunks of ``[start, stop)``. Chunks without an attempt go to ``untried``, and are not written yet."""
        job_id = self._request.job_id
        done = {index for (index,) in self._connection.execute(INDICES_BETWEEN.text, (job_id, start, stop))}
        tried = attempts.attempts_in(self._connection, job_id, start, stop)
        claims, wanted = self._claims, self._request.wanted
        for index in range(start, stop):
            if len(claims) >= wanted:
                return index
            if index in done:
                continue
            if index in tried:
                self._claim_or_pass(tried[index])
            else:
                untried.append(index)
                claims.append(Claim(index, 1))
            if self._request.in_order:
                self._is_blocked = True
                return index
        return stop

    def _claim_or_pass(self, chunk: ChunkAttempts) -> None:
        holder_id = next(filter(lambda by: self._is_held(chunk.chunk_index, by), chunk.running_runner_ids()), None)
        if holder_id is not None:
            self._held.append((chunk.chunk_index, holder_id))
            return
        claim = self._claim(chunk)
        if claim is not None:
            self._claims.append(claim)

    def _is_held(self, index: int, runner_id: int) -> bool:
        """Whether a chunk is in the hand of a runner that has a running attempt at it."""
        if runner_id == self._request.runner_id:
            return index in self._request.indices_in_hand
        self._liveness.is_alive(runner_id)
        return True  # also for a runner that was reaped just now: the search is repeated

    def _claim(self, chunk: ChunkAttempts) -> Claim | None:
        """Begin the next attempt at a chunk that is in nobody's hand; None where the chunk is failed."""
        last, request = chunk.last, self._request
        if last is not None and last.outcome == AttemptOutcome.RUNNING:  # of this runner, and not in its hand
            return Claim(chunk.chunk_index, last.number)
        if self._is_failed(chunk):
            return None
        return attempts.begin(self._connection, request.job_id, chunk.chunk_index, chunk.next_number, request.runner_id)

    def _is_failed(self, chunk: ChunkAttempts) -> bool:
        """Whether a chunk is failed. If its attempts are used up and that is not recorded yet, record it.

        A chunk that used up the attempts that an earlier loop allowed is not failed for a loop that allows more.
        """
        last, attempts_max = chunk.last, self._request.attempts_max
        if last is None:
            return False
        if last.is_last:
            has_more = attempts_max is not None and last.counted and chunk.used_count < attempts_max
            if has_more:
                attempts.allow_more(self._connection, self._request.job_id, last)
            return not has_more
        if attempts_max is None or not last.ended_in_vain or chunk.used_count < attempts_max:
            return False
        attempts.use_up(self._connection, self._request.job_id, last)
        return True
