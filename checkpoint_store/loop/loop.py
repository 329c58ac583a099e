"""The loop: chunks are claimed, worked on wherever the executor takes them, and recorded here as they come back.

Every try is an attempt in the store, recorded before it starts. What has come back is recorded before anything else is
started, and whatever ends the loop, the results that are under way are waited for and recorded: they are paid for.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from logging import getLogger
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunkFailed,
    InvalidArgumentError,
    InvalidResultError,
    JobPaused,
    StoreBusy,
    WorkerDied,
    readable,
)
from checkpoint_store.execution.claims.chunk_queue import Scope
from checkpoint_store.loop.budget import Spending
from checkpoint_store.loop.executors import local, processes
from checkpoint_store.loop.executors.workplace import Workplace
from checkpoint_store.loop.progress_bar import Bar, LiveBar, NoBar
from checkpoint_store.loop.retry_policy import is_hopeless, is_transient, matcher, pause_before_retry
from checkpoint_store.loop.signals import Interrupts
from checkpoint_store.loop.waiting import Again, InOrder
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.records import JobStatus, MapItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.execution.claims.claimed_chunk import Held
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.storage.records import Completion

    _Done = tuple[Completion, Any]
    _Refused = tuple["_Flight", InvalidResultError]
    _Failed = tuple["_Flight", BaseException]

T = TypeVar("T")

_log = getLogger("checkpoint_store")

_TICK_SECONDS: Final = 0.2
"""The longest time without a look at whether to pause."""
_PATIENCE: Final = 6
"""For so many times ``lock_timeout_seconds`` a loop waits: a result in hand is worth more than a single call is."""
_MOST_OUT_OF_ORDER: Final = 256
_BREAK_SECONDS: Final = 5.0
"""For so long the rest of a pool that broke is waited for."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A chunk that is being worked on."""

    held: Held
    lands_by: float


class Loop:
    """One ``map``: made, gone through once, and done."""

    def __init__(
        self, execution: JobExecution, fn: Callable[[Any], Any], options: Options, interrupts: Interrupts | None = None
    ) -> None:
        self._execution = execution
        self._fn = fn
        self._options = options
        self._place = Workplace(options.executor, options.workers, has_time_limit=options.timeout_seconds is not None)
        self._retry_on = matcher("retry_on", options.retry_on, is_transient)
        self._stop_on = matcher("stop_on", options.stop_on, is_hopeless)
        self._claims = execution.claims
        self._flying: dict[Future[Any], _Flight] = {}
        self._late: dict[Future[Any], int] = {}
        """Work that took longer than it may: should a result come all the same, it is paid for."""
        self._came_late: set[int] = set()
        """Chunks that such a result completed: the next try at one may be under way, and is not yielded again."""
        self._again = Again()
        self._ready: deque[Held] = deque()
        """Chunks that are claimed, and not begun."""
        self._suspects: set[int] = set()
        """Chunks that were in a pool of processes when one of them died: tried again one at a time."""
        self._out_of_order = InOrder()
        self._error: BaseException | None = None
        self._paused = False
        self._heeds_signals = interrupts is None
        self._interrupts = interrupts or Interrupts()
        self._spent = Spending(execution, options.cost) if options.max_cost is not None or options.progress else None
        self._bar: Bar = NoBar()

    def stop(self) -> None:
        """Start nothing more, as after a pause; from any thread."""
        self._paused = True

    def forget(self) -> None:
        """After a fork, in the child: what is in flight is the parent's."""
        self._flying.clear()
        self._late.clear()

    # -- the way through

    def run(self) -> Iterator[MapItem]:
        """Yield what is completed, and end the job as it comes; see :meth:`Job.map`."""
        self._place.open(self._fn)
        if self._options.progress:
            self._bar = LiveBar(self._execution)
        self._claims.start()  # first: whoever leaves the job sees this runner, or has left it before
        self._execution.take_up()
        self._scope = Scope(self._claims, self._execution.total_chunks, max_attempts=self._options.max_attempts)
        ended = False
        with self._interrupts if self._heeds_signals else nullcontext():
            try:
                while self._goes_on():
                    yield from self._in_order(self._land())
                yield from self._in_order([], everything=True)
                ended = True
            except BaseException as error:
                if not isinstance(error, GeneratorExit | Exception):
                    self._drop_all()  # asked to end at once
                raise
            finally:
                self._wind_up(ended=ended)
            self._conclude()

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call that another process may keep waiting: one that is stopped in the middle of a commit, say."""
        until = time.monotonic() + _PATIENCE * self._claims.lock_timeout_seconds
        while True:
            try:
                return call()
            except StoreBusy:
                if self._interrupts.requested or time.monotonic() >= until:
                    raise
                time.sleep(_TICK_SECONDS)

    def _goes_on(self) -> bool:
        """Start what can be started; return whether there is anything to wait for."""
        if not self._is_stopping():
            self._start()
        if self._flying:
            return True
        if self._is_stopping():
            return False
        if self._again:
            time.sleep(min(_TICK_SECONDS, max(0.0, self._again.due_at - time.monotonic())))
            return True
        if self._scope.waits_for_others():
            time.sleep(_TICK_SECONDS)
            return True
        return False

    def _is_stopping(self) -> bool:
        asked = self._options.stop_when
        if self._interrupts.requested or self._scope.is_paused() or (asked is not None and asked()):
            self._paused = True
        return self._paused or self._error is not None

    def _start(self) -> None:
        while len(self._flying) < self._room() and not self._is_stopping() and self._can_afford():
            held = self._next()
            if held is None:
                return
            if self._place.is_broken:
                self._renew()
            if self._place.is_broken or self._is_stopping():
                self._put_back(held)
                return
            self._launch(held)

    def _renew(self) -> None:
        """Have a broken executor made anew, once all that was in it has ended; where that cannot be, the loop ends."""
        if self._flying:
            return
        try:
            self._place.renew()
        except Exception as error:  # noqa: BLE001 - also whatever a caller's function raises
            self._error, self._paused = self._error or error, True

    def _put_back(self, held: Held) -> None:
        """A chunk that was not begun has its turn when the executor works again."""
        held.begun = False
        soon = time.monotonic() + _TICK_SECONDS if self._flying else 0.0
        self._again.put(held, max(self._place.ready_at, soon))

    def _room(self) -> int:
        if self._suspects:
            return 1
        if self._spent is not None and self._options.max_cost is not None and self._spent.is_unknown:
            return 1  # the first one says what a chunk costs
        return self._free_places()

    def _next(self) -> Held | None:
        held = self._again.take_due()
        if held is not None or self._suspects:
            return held
        if not self._ready and len(self._out_of_order) < _MOST_OUT_OF_ORDER:
            self._ready.extend(self._patiently(lambda: self._scope.take(self._scope.batch())))
        return self._ready.popleft() if self._ready else None

    def _launch(self, held: Held) -> None:
        execution, options = self._execution, self._options
        self._scope.gives(held)
        flight = _Flight(held, held.since + (options.timeout_seconds or float("inf")))
        chunk: Any = None
        try:
            chunk = execution.hand_out(held.index) if execution.has_chunks else held.index
            attempt = execution.attempt_of(held)
            held.begun = self._place.begins_at_once
            future = self._place.submit(self._fn, attempt, chunk)
        except BrokenExecutor:
            self._place.broke()
            self._put_back(held)
        except BaseException as error:
            if isinstance(error, PicklingError | TypeError | AttributeError) and not local.can_be_pickled(chunk):
                self._fail(flight, error)  # the chunk cannot be sent to where the work is
                return
            # What was accepted by something that is no executor may be under way, and nothing can come of it.
            held.begun = held.begun or isinstance(error, InvalidArgumentError)
            self._claims.let_go([held])
            raise
        else:
            held.begun = True
            self._flying[future] = flight

    # -- what comes back

    def _land(self) -> list[MapItem]:
        """Wait for some work to end, and record what came of it."""
        self._wait()
        items = self._take_late()
        items += self._settle(self._landed())
        self._time_out()
        self._bar.show(None if self._spent is None else self._spent.known_total)
        return items

    def _wait(self) -> None:
        """Wait until some work has ended, or something else is due."""
        under_way = [*self._flying, *self._late]
        if not self._flying or any(future.done() for future in under_way):
            return
        self._place.look_after(under_way)
        moment = time.monotonic()
        until = min([moment + _TICK_SECONDS, *(flight.lands_by for flight in self._flying.values())])
        if self._again and len(self._flying) < self._room():
            until = min(until, self._again.due_at)
        wait(under_way, timeout=max(0.0, until - moment), return_when=FIRST_COMPLETED)

    def _settle(self, landed: list[tuple[Future[Any], _Flight]]) -> list[MapItem]:
        """Record what has ended: the results first, because they are paid for, then failures."""
        if any(self._is_break(_error_of(future)) for future, _ in landed):
            wait(self._flying, timeout=_BREAK_SECONDS)  # what else was in that pool ends too
            landed += self._landed()
        done, unstorable, failed = self._outcomes(landed)
        items = self._record(done)
        for flight, refused in unstorable:
            self._refuse(flight, refused)
        broken = []
        for flight, problem in failed:
            if self._is_break(problem):
                broken.append(flight)
            elif not isinstance(problem, Exception) or (self._paused and isinstance(problem, CancelledError)):
                self._claims.let_go([flight.held])
            else:
                self._fail(flight, problem)
        for _, problem in failed:
            if not isinstance(problem, Exception):  # it asks to end at once
                raise problem
        if broken:
            self._after_a_break(broken)
        return items

    def _outcomes(self, landed: list[tuple[Future[Any], _Flight]]) -> tuple[list[_Done], list[_Refused], list[_Failed]]:
        """Return what can be recorded, the results that cannot be stored, and the failures."""
        done, unstorable, failed = [], [], []
        for future, flight in landed:
            self._suspects.discard(flight.held.index)
            try:
                result = future.result()
            except BaseException as error:  # noqa: BLE001 - whatever the work of a caller's raises
                failed.append((flight, error))
                continue
            try:
                done.append(self._completion(flight.held.index, result))
            except InvalidResultError as error:
                unstorable.append((flight, error))
        return done, unstorable, failed

    def _is_break(self, problem: BaseException | None) -> bool:
        """Whether the executor broke; in threads of our own, only the work itself can have met a broken one."""
        return isinstance(problem, BrokenExecutor) and not self._place.keeps_no_place

    def _landed(self) -> list[tuple[Future[Any], _Flight]]:
        return [(future, self._flying.pop(future)) for future in list(self._flying) if future.done()]

    def _completion(self, index: int, result: Any) -> tuple[Completion, Any]:
        """Return what is to be written of a result, and what is yielded of it."""
        if isinstance(result, local.Unstorable):
            raise result.error.at(self._execution.job_id)
        text = result.text if isinstance(result, processes.Packed) else None
        done = self._execution.completion(index, result, text=text)
        assert done.text is not None
        return done, json_text.decode(done.text)

    def _record(self, done: list[tuple[Completion, Any]]) -> list[MapItem]:
        if not done:
            return []
        self._place.works()
        try:
            done = self._submit(done)
        except BaseException:  # an interrupt, too: what is recorded twice stands once
            self._execution.keep_for_later([completion for completion, _ in done])
            raise
        if self._spent is not None:
            self._spent.look()
        items = [MapItem(completion.chunk_index, result) for completion, result in done]
        return [item for item in items if item.index not in self._came_late]

    def _submit(self, done: list[tuple[Completion, Any]]) -> list[tuple[Completion, Any]]:
        """Record results, and return those that stand."""
        try:
            self._patiently(lambda: self._execution.submit([completion for completion, _ in done]))
        except ChunkAlreadyCompleted:  # another runner's result stands; the others are recorded one by one
            if len(done) == 1:
                _log.warning(
                    "chunk %d of job %s was completed by another runner", done[0][0].chunk_index, self._execution.job_id
                )
                return []
            return [one for each in done for one in self._submit([each])]
        return done

    def _take_late(self) -> list[MapItem]:
        came: dict[int, tuple[Completion, Any]] = {}
        for future in [future for future in self._late if future.done()]:
            index = self._late.pop(future)
            if future.cancelled() or future.exception() is not None:
                continue
            try:
                came.setdefault(index, self._completion(index, future.result()))
            except InvalidResultError as error:
                self._refuse_late(index, error)
        items = self._record(list(came.values()))
        if came:
            self._again.remove(came.keys())
            self._suspects -= came.keys()
            self._came_late |= came.keys()
        return items

    # -- failures

    def _refuse(self, flight: _Flight, error: InvalidResultError) -> None:
        """End the loop by a result that cannot be stored; a readable copy of the result is kept with the attempt.

        The program is wrong, and not the chunk: the next call would be paid for in vain, too.
        """
        self._error = self._error or error
        seconds = round(time.monotonic() - flight.held.since, 6)
        with suppress(ChunkAlreadyCompleted):
            self._record_failure(flight.held, _with_copy(error), counted=False, seconds=seconds)

    def _refuse_late(self, index: int, error: InvalidResultError) -> None:
        """The same for one that came after its time; its chunk's next try, if that has begun, says how it ended."""
        self._error = self._error or error
        if all(flight.held.index != index for flight in self._flying.values()):
            self._again.remove([index])
            with suppress(ChunkAlreadyCompleted):
                self._patiently(lambda: self._claims.fail(index, _with_copy(error), counted=False))

    def _fail(self, flight: _Flight, error: BaseException) -> None:
        held, options = flight.held, self._options
        seconds = round(time.monotonic() - held.since, 6)
        message = describe(error)
        if self._stop_on(error):
            with suppress(ChunkAlreadyCompleted):
                self._record_failure(held, message, counted=False, seconds=seconds)
            self._error = self._error or error
            self._paused = True
            return
        again = self._retry_on(error)
        limit = options.max_attempts if again or options.on_error == "stop" else 1
        try:
            following = self._record_failure(held, message, limit=limit, again=again, seconds=seconds)
        except ChunkAlreadyCompleted:
            return  # by someone else meanwhile
        if following is not None:
            self._try_again(following, error)
            return
        if options.on_error == "stop" and self._error is None:
            error.add_note(f"It ended attempt {held.number} at chunk {held.index} of job {self._execution.job_id}.")
            self._error = error

    def _record_failure(self, held: Held, message: str, **how: Any) -> Held | None:
        return self._patiently(lambda: self._claims.fail(held.index, message, **how))

    def _try_again(self, held: Held, error: BaseException) -> None:
        try:
            due = time.monotonic() + pause_before_retry(self._options.wait, held.tries - 1, error)
        except Exception as mistake:  # noqa: BLE001 - whatever a caller's function raises
            self._claims.let_go([held])
            mistake.__cause__ = error
            self._error = self._error or mistake
            return
        self._again.put(held, due)

    def _time_out(self) -> None:
        moment = time.monotonic()
        for future, flight in [one for one in self._flying.items() if one[1].lands_by <= moment and not one[0].done()]:
            del self._flying[future]
            if self._place.give_up(future):  # others, which hang, have its place
                self._again.put(flight.held)
                continue
            self._late[future] = flight.held.index
            self._fail(flight, TimeoutError(f"it took longer than {self._options.timeout_seconds:g} s"))
        if self._free_places() < 1 and self._error is None:
            self._error = TimeoutError(f"all {self._place.limit} places of the executor are taken by work that hangs")

    def _free_places(self) -> int:
        """Return how many places there are without those of work that hangs."""
        return self._place.limit - (0 if self._place.keeps_no_place else len(self._late))

    def _after_a_break(self, broken: list[_Flight]) -> None:
        """A worker process died, and took its pool along: who of those in it is to blame is found one at a time."""
        alone = len(broken) == 1 and not self._flying and not self._place.is_broken
        self._place.broke()
        for flight in broken:
            if alone:
                self._fail(flight, WorkerDied("the process that worked on this chunk ended before it gave a result"))
                self._suspects |= {held.index for held in self._again if held.index == flight.held.index}
            else:
                self._suspect(flight)

    def _suspect(self, flight: _Flight) -> None:
        """Try a chunk again, alone, which was in a pool with others when a process of the pool ended."""
        message = "WorkerDied: a process of the pool ended while this chunk was in it"
        following = None
        with suppress(ChunkAlreadyCompleted):
            following = self._record_failure(flight.held, message, counted=False, again=True)
        if following is not None:
            following.tries = flight.held.tries
            self._suspects.add(following.index)
            self._again.put(following)

    # -- in which order

    def _in_order(self, items: list[MapItem], *, everything: bool = False) -> Iterator[MapItem]:
        if not self._options.ordered:
            yield from items
            return
        self._out_of_order.put(items)
        yield from self._out_of_order.take_below(float("inf") if everything else self._lowest_under_way())

    def _lowest_under_way(self) -> float:
        under_way = [flight.held.index for flight in self._flying.values()]
        under_way += [held.index for held in self._again]
        under_way += [held.index for held in self._ready]
        return min(under_way, default=float("inf"))

    # -- money

    def _can_afford(self) -> bool:
        most = self._options.max_cost
        if most is None or self._spent is None:
            return True
        self._spent.look()
        if self._spent.allows(len(self._flying), most):
            return True
        if not self._flying:
            left = self._execution.progress().remaining_chunks
            if left:
                self._error = self._spent.refusal(left, most)
                self._paused = True
        return False

    # -- the end

    def _drop_all(self) -> None:
        """Let go of everything at once: what was begun is in doubt."""
        self._claims.let_go([flight.held for flight in self._flying.values()])
        for future in self._flying:
            future.cancel()
        self._flying.clear()

    def _wind_up(self, *, ended: bool) -> None:
        """Record what is under way still, and let go of the rest."""
        self._paused = self._paused or not ended
        if self._interrupts.at_once:
            self._drop_all()
        try:
            while self._flying or any(future.done() for future in self._late):
                self._land_somehow()
            with suppress(CheckpointStoreError):
                self._execution.record_what_was_kept()
        except BaseException:
            self._drop_all()
            raise
        finally:
            waiting = [*self._ready, *self._again.clear()]
            for held in waiting:
                held.begun = False
            self._ready.clear()
            self._scope.close(waiting)
            self._place.close()
            with suppress(CheckpointStoreError):
                self._bar.close()
            if not ended:
                if self._error is not None:
                    _log.warning(
                        "job %s: beside what ended its loop: %s", self._execution.job_id, describe(self._error)
                    )
                with suppress(CheckpointStoreError):
                    self._execution.leave(JobStatus.PAUSED)

    def _land_somehow(self) -> None:
        """Record what lands next; what cannot be recorded does not keep the others from it."""
        under_way = len(self._flying) + len(self._late)
        try:
            self._land()
        except Exception as error:  # noqa: BLE001 - a full disk, a caller's function; the others are waited for
            self._error = self._error or error
            if len(self._flying) + len(self._late) == under_way:
                time.sleep(_TICK_SECONDS)

    def _conclude(self) -> None:
        try:
            self._end_job()
        except Exception as error:
            self._interrupts.take_course(None if type(error) is JobPaused else error)
            raise
        self._interrupts.take_course()

    def _end_job(self) -> None:
        execution, error = self._execution, self._error
        if error is not None:
            execution.leave(JobStatus.PAUSED if self._paused else JobStatus.FAILED, error)
            raise error
        left = execution.progress().remaining_chunks
        failed = execution.failed_chunks() if left and not self._paused else []
        if failed:
            first = failed[0]
            example = f"chunk {first.chunk_index}: {first.error or 'its process died'}"
            problem = ChunkFailed(execution.job_id, len(failed), example)
            execution.leave(JobStatus.FAILED, f"{len(failed)} failed, {example}")
            if self._options.on_error == "stop":
                raise problem
            return
        execution.leave(JobStatus.PAUSED)
        if left and self._options.on_pause == "raise":
            raise JobPaused(execution.job_id, left)


def _error_of(future: Future[Any]) -> BaseException | None:
    return None if future.cancelled() else future.exception()


def _with_copy(error: InvalidResultError) -> str:
    """Return what is kept of a result that cannot be stored: why, and the result as text. It is a result: as it is."""
    copy = error.result if error.is_copy else readable(error.result)
    return f"{describe(error)}\nThe result was: {copy}"
