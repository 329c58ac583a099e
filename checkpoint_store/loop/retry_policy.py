"""Which failures are retried, after which back-off, and which would hit every chunk."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from pickle import PicklingError
from typing import Any, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, WorkerDied, WorkFailed, shown
from checkpoint_store.model.amounts import cost_of_error

Errors = type[BaseException] | Iterable[type[BaseException]] | Callable[[BaseException], bool]
"""Exception types, or a function that says whether it means an exception."""
Wait = float | Callable[[int], float]
"""Seconds, or a function of the number of attempts so far (from 1). A wait object of tenacity will do, too."""

_MISTAKES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    PicklingError,
    RecursionError,
    SyntaxError,
    TypeError,
)
"""Mistakes of a program, which would repeat. No ValueError: a model's answer may well parse the next time."""
_RETRIED_STATUS: Final = frozenset({408, 409, 425, 429})
_HOPELESS_STATUS: Final = frozenset({401, 402, 403})
_HOPELESS_CODES: Final = frozenset({"insufficient_quota", "invalid_api_key", "billing_hard_limit_reached"})
_SERVER_ERROR_MIN: Final = 500
_CLIENT_ERROR_MIN: Final = 400
_RETRY_AFTER_SECONDS_MAX: Final = 3600.0
"""The longest time that a ``Retry-After`` is waited for."""
_BACKOFF_SECONDS_MIN: Final = 0.5
_BACKOFF_SECONDS_MAX: Final = 60.0
_DOUBLINGS_MAX: Final = 10
"""After this many doublings the back-off has reached its maximum; further ones would overflow a float."""


def matcher(
    name: str, errors: Errors | None, default: Callable[[BaseException], bool]
) -> Callable[[BaseException], bool]:
    """Return a function that says whether ``errors`` mean an exception.

    Raises:
        InvalidArgumentError: ``errors`` are neither exception types nor a function.
    """
    if errors is None:
        return default
    if isinstance(errors, type):
        types: tuple[Any, ...] = (errors,)
    elif callable(errors):
        return errors
    else:
        try:
            types = tuple(errors)
        except TypeError:
            types = (errors,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in types):
        raise InvalidArgumentError(name, errors, "is neither exception types nor a function of an exception")
    return lambda error: _is_one_of(error, types)


def _is_one_of(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception is of these types, also where it came from another process as a ``WorkFailed``."""
    kinds = error.kinds if isinstance(error, WorkFailed) else ()
    return isinstance(error, types) or any(_name(kind) in kinds for kind in types)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def as_work_failed(error: BaseException, text: str, trace: str) -> WorkFailed:
    """Return what another process can be sent of an exception that cannot be pickled: all that this module reads."""
    code = getattr(error, "code", None)
    return WorkFailed(
        type(error).__qualname__,
        text,
        trace,
        kinds=[_name(kind) for kind in type(error).__mro__],
        status_code=status_of(error),
        code=code if isinstance(code, str) else None,
        retry_after=retry_after(error),
        cost=cost_of_error(error),
    )


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed: the default of ``retry_on``."""
    if isinstance(error, WorkerDied):
        return True
    status = status_of(error)
    if status is not None and status >= _CLIENT_ERROR_MIN:
        return status in _RETRIED_STATUS or status >= _SERVER_ERROR_MIN
    if _is_one_of(error, _MISTAKES) or not isinstance(error, Exception):
        return False
    return isinstance(error, WorkFailed) or not isinstance(error, CheckpointStoreError)


def is_hopeless(error: BaseException) -> bool:
    """Whether every chunk would meet this error, such as a bad key or a used-up quota: the default of ``stop_on``."""
    code = getattr(error, "code", None)
    return status_of(error) in _HOPELESS_STATUS or (isinstance(code, str) and code in _HOPELESS_CODES)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries, as those of openai, anthropic, httpx and requests do."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status"):
            status = getattr(holder, name, None)
            if type(status) is int:
                return status
    return None


def retry_after(error: BaseException) -> float | None:
    """Return the seconds of a service's ``Retry-After``, or None."""
    value = getattr(error, "retry_after", None)
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        if value is None and headers is not None:
            if headers.get("retry-after-ms") is not None:
                value = float(headers.get("retry-after-ms")) / 1000
            else:
                value = headers.get("retry-after") or headers.get("Retry-After")
        if value is None:
            return None
        return min(max(0.0, _seconds(value)), _RETRY_AFTER_SECONDS_MAX)
    except (TypeError, ValueError, AttributeError):
        return None


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()


def pause_before_retry(wait: Wait | None, tries: int, error: BaseException) -> float:
    """Return the seconds to wait after this many tries, the last of which ended with ``error``.

    Raises:
        InvalidArgumentError: ``wait`` is a function that returned no number of seconds.
    """
    requested = retry_after(error)
    if requested is not None:  # with jitter: the service is busy already
        return requested + _jitter(_BACKOFF_SECONDS_MIN)
    if wait is None:
        backoff = min(_BACKOFF_SECONDS_MIN * 2.0 ** min(tries - 1, _DOUBLINGS_MAX), _BACKOFF_SECONDS_MAX)
        return backoff + _jitter(backoff)
    if not callable(wait):
        return float(wait)
    seconds = _seconds_from(wait, tries, error)
    if not _is_seconds(seconds):
        raise InvalidArgumentError("wait", wait, f"returned {shown(seconds)}, which is no number of seconds from 0")
    return float(seconds)


def _jitter(seconds_max: float) -> float:
    return random.uniform(0, seconds_max)  # noqa: S311 - so that chunks that fail together are not retried together


def _seconds_from(wait: Callable[[Any], float], tries: int, error: BaseException) -> Any:
    """Return the result of a function, or of a wait object of tenacity."""
    tenacity = sys.modules.get("tenacity")  # a wait object of tenacity exists only where tenacity was imported
    if tenacity is None or not isinstance(wait, tenacity.wait.wait_base):
        return wait(tries)
    state = tenacity.RetryCallState(retry_object=tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = tries
    state.set_exception((type(error), error, error.__traceback__))
    return wait(state)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def checked_wait(wait: object) -> None:
    """Refuse a ``wait`` that is neither seconds nor a function."""
    if not (wait is None or callable(wait) or _is_seconds(wait)):
        raise InvalidArgumentError("wait", wait, "is neither seconds nor a function of the number of tries")
