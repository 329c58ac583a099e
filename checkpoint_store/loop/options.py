"""The options of ``map``, checked before anything is called, and the part of the job that ``only`` names."""

from __future__ import annotations

import inspect
import math
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution.claims.claims import MAX_ATTEMPTS_DEFAULT
from checkpoint_store.loop.executors.local import check_sending, checked_executor, is_maker
from checkpoint_store.loop.progress_bar import need_tqdm
from checkpoint_store.loop.service.retry_policy import checked_wait, is_transient, kept_errors, matcher, stop_rule
from checkpoint_store.model.chunks import Shard, as_float, count_from, shard_of
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.money import checked_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from concurrent.futures import Executor

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.service.retry_policy import Errors, Wait
    from checkpoint_store.model.loop_records import LoopEvent
    from checkpoint_store.model.money import Cost


def check_shard(shard: Shard | None, total_chunks: int, *, is_sequential: bool = False) -> None:
    """Refuse a shard that is no part of a job, before anything is called.

    Nor may a shard of a sequential job leave out chunks on whose results the others depend.
    """
    if shard is None:
        return
    if shard.stop > total_chunks:
        has = f"the chunks are 0 to {total_chunks - 1}" if total_chunks else "there are no chunks"
        raise InvalidArgumentError("only", ..., f"({shard}) has chunk {shard.stop - 1}, but {has}")
    if is_sequential and not shard.is_beginning:
        raise InvalidArgumentError(
            "only",
            ...,
            f"({shard}) leaves out earlier chunks, on which the later ones of a sequential job depend; give the "
            "beginning, such as range(0, 500)",
        )


def check_shard_of(execution: JobExecution, shard: Shard | None) -> None:
    """Refuse a shard that is no part of an open job; see :func:`check_shard`."""
    if shard is not None:
        check_shard(shard, execution.recorded.total_chunks, is_sequential=execution.recorded.record().sequential)


def remaining_chunks(execution: JobExecution, shard: Shard | None) -> int:
    """Return how many chunks of a loop's part are left."""
    if shard is None:
        return execution.recorded.progress().remaining_chunks
    return len(shard) - shard.count_in(execution.recorded.completed_ranges())


def leaves_another(execution: JobExecution, shard: Shard | None) -> bool:
    """Whether a loop that is ending leaves another chunk to try than the one that it is about to fail.

    In a sequential job no other chunk can be tried.
    """
    if execution.is_sequential:
        return False
    failed = sum(shard is None or record.chunk_index in shard for record in execution.recorded.failed_chunks())
    return remaining_chunks(execution, shard) - failed > 1


def chunks_left_to_try(execution: JobExecution, shard: Shard | None) -> int:
    """Return how many chunks of a loop's part are left; 0 if all of them are failed, so that no loop tries them.

    In a sequential job no chunk is tried that comes after a failed one.
    """
    left = remaining_chunks(execution, shard)
    failed = {record.chunk_index for record in execution.recorded.failed_chunks()} if left else set()
    if not failed:
        return left
    if execution.is_sequential:
        ranges = execution.recorded.remaining_ranges()  # none, if others have completed the rest meanwhile
        return left if ranges and ranges[0].start not in failed else 0
    return left if left > sum(shard is None or index in shard for index in failed) else 0


_CALLED_BY_THE_LOOP: Final = ("stop_when", "on_event", "tokens", "cost", "wait", "retry_on", "stop_on")
"""The options that may be functions, which the loop calls for what they return or do."""


def checked_work(fn: Any, *, awaited: bool = False) -> None:
    """Refuse a function that cannot return a result, before any call is paid for.

    ``awaited``: the loop awaits what ``fn`` returns.
    """
    if not callable(fn):
        raise InvalidArgumentError("fn", fn, "is no function")
    if not awaited and is_coroutine_function(fn):
        raise InvalidArgumentError("fn", fn, "is a coroutine function, which map() does not await: use amap()")
    if _is_generator_function(fn):
        raise InvalidArgumentError("fn", fn, "is a generator function, which returns no result: let it return a list")


def is_coroutine_function(fn: Any) -> bool:
    """Whether a call of ``fn`` only makes a coroutine, and does the work where that is awaited."""
    return any(map(inspect.iscoroutinefunction, _kinds_of(fn)))


def returns_no_value(fn: Any) -> bool:
    """Whether a call of ``fn`` does nothing yet, because somebody has to await or to iterate what it returns."""
    return is_coroutine_function(fn) or _is_generator_function(fn)


def _is_generator_function(fn: Any) -> bool:
    return any(inspect.isgeneratorfunction(kind) or inspect.isasyncgenfunction(kind) for kind in _kinds_of(fn))


def _kinds_of(fn: Any) -> tuple[Any, Any]:
    return fn, type(fn).__call__  # an object may have __call__


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one loop, as :meth:`Job.map` explains them."""

    executor: Executor | Callable[[], Executor] | None = None
    workers: int | None = None
    ordered: bool = False
    on_error: Literal["stop", "record"] = "stop"
    max_attempts: int = MAX_ATTEMPTS_DEFAULT
    retry_on: Errors | None = None
    stop_on: Errors | None = None
    wait: Wait | None = None
    timeout_seconds: float | None = None
    outage_seconds: float = 600.0
    max_cost: float | None = None
    cost: Cost = "cost"
    max_calls_per_minute: float | None = None
    max_tokens_per_minute: float | None = None
    tokens: Callable[[Any], float] | None = None
    deadline_seconds: float | None = None
    only: Collection[int] | None = None
    progress: bool = False
    on_pause: Literal["raise", "return"] = "raise"
    stop_when: Callable[[], bool] | None = None
    on_event: Callable[[LoopEvent], object] | None = None

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Self:
        """Return the options in the ``locals()`` of a method that has them as parameters, checked."""
        names = (field.name for field in fields(cls))
        return cls(**{name: call[name] for name in names if name in call})

    @property
    def attempts_max(self) -> int | None:
        """The most attempts at a chunk; None for ``sys.maxsize``, which means that there is no limit.

        A loop without a limit gives no new attempts to chunks that failed under a limit.
        """
        return None if self.max_attempts == sys.maxsize else self.max_attempts

    @property
    def shard(self) -> Shard | None:
        """The part of the job that the loop works on; None for all of it."""
        assert self.only is None or isinstance(self.only, Shard)
        return self.only

    def check_work(self, fn: Any) -> None:
        """Refuse a function that ``map`` cannot call with these options; see :func:`checked_work`."""
        checked_work(fn)
        check_sending(self.executor, fn)

    def __post_init__(self) -> None:
        object.__setattr__(self, "only", shard_of(self.only))
        self._one_of("on_error", ("stop", "record"))
        self._one_of("on_pause", ("raise", "return"))
        for name in ("ordered", "progress"):
            object.__setattr__(self, name, checked_flag(name, getattr(self, name)))
        self._whole("max_attempts")
        if self.workers is not None:
            self._whole("workers", up_to=sys.maxsize)
        for name in ("timeout_seconds", "outage_seconds", "max_cost"):
            self._positive(name, getattr(self, name), up_to=math.inf)
        if self.outage_seconds is None:
            raise InvalidArgumentError("outage_seconds", None, "is not a number greater than 0")
        for name in ("max_calls_per_minute", "max_tokens_per_minute", "deadline_seconds"):
            self._positive(name, getattr(self, name), up_to=sys.float_info.max)
        self._estimates_tokens()
        if self.executor is not None and not is_maker(self.executor):
            checked_executor(self.executor)
        self._plain_functions()
        checked_cost(self.cost)
        checked_wait(self.wait)
        for name in ("retry_on", "stop_on"):
            object.__setattr__(self, name, kept_errors(getattr(self, name)))
        matcher("retry_on", self.retry_on, is_transient)
        stop_rule(self.stop_on)
        if self.progress:
            need_tqdm()

    def _plain_functions(self) -> None:
        for name in ("stop_when", "on_event"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InvalidArgumentError(name, getattr(self, name), "is no function")
        for name in _CALLED_BY_THE_LOOP:
            if returns_no_value(getattr(self, name)):
                remedy = "is a coroutine or generator function, whose call does nothing: give a plain function"
                raise InvalidArgumentError(name, getattr(self, name), remedy)

    def _estimates_tokens(self) -> None:
        if self.tokens is not None and not callable(self.tokens):
            raise InvalidArgumentError("tokens", self.tokens, "is no function of a chunk")
        if self.max_tokens_per_minute is not None and self.tokens is None:
            remedy = "needs tokens=, a function that estimates how many tokens a chunk will use"
            raise InvalidArgumentError("max_tokens_per_minute", self.max_tokens_per_minute, remedy)

    def _positive(self, name: str, value: object, *, up_to: float) -> None:
        number = as_float(value)
        if value is not None and (number is None or not 0 < number <= up_to):
            raise InvalidArgumentError(name, value, "is not a number greater than 0")

    def _one_of(self, name: str, words: tuple[str, ...]) -> None:
        if getattr(self, name) not in words:
            raise InvalidArgumentError(name, getattr(self, name), f"is none of {', '.join(map(repr, words))}")

    def _whole(self, name: str, *, up_to: float = math.inf) -> None:
        number = count_from(getattr(self, name))
        if number is None:
            raise InvalidArgumentError(name, getattr(self, name), "is not a whole number from 1")
        if number > up_to:
            raise InvalidArgumentError(name, number, f"is more than {up_to:,}, which is the most")
        object.__setattr__(self, name, number)
