"""Which failures are worth another try, when, and which would hit every chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from pickle import PicklingError
from typing import Any, Final

from checkpoint_store.errors import (
    CheckpointStoreError,
    InvalidArgumentError,
    MissingExtra,
    WorkerDied,
    WorkFailed,
)

Errors = type[BaseException] | Iterable[type[BaseException]] | Callable[[BaseException], bool]
"""Exception types, or a function that says whether an exception is one of those meant."""
Wait = float | Callable[[int], float]
"""Seconds, or a function of the number of tries so far (from 1); tenacity's waits are such functions too."""

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
"""What a program does wrong it does wrong again. No ValueError: a model's answer may well parse the next time."""
_RETRIED_STATUS: Final = frozenset({408, 409, 425, 429})
_HOPELESS_STATUS: Final = frozenset({401, 402, 403})
_HOPELESS_CODES: Final = frozenset({"insufficient_quota", "invalid_api_key", "billing_hard_limit_reached"})
_SERVER_ERRORS: Final = 500
_CLIENT_ERRORS: Final = 400
_LONGEST_SECONDS: Final = 3600.0
"""A service that asks for a longer pause is asked again after this."""
_FIRST_SECONDS: Final = 0.5
_MOST_SECONDS: Final = 60.0


def matcher(
    name: str, errors: Errors | None, default: Callable[[BaseException], bool]
) -> Callable[[BaseException], bool]:
    """Return the function that says whether an exception is one of those meant."""
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
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in types):
        raise InvalidArgumentError(name, errors, "is neither exception types nor a function of an exception")
    return lambda error: _is_one_of(error, types)


def _is_one_of(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception is of these types, also where it could not be brought here as it was."""
    kinds = error.kinds if isinstance(error, WorkFailed) else ()
    return isinstance(error, types) or any(_name(one) in kinds for one in types)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def as_work_failed(error: BaseException, text: str, trace: str) -> WorkFailed:
    """Return what can be told elsewhere of an exception that cannot be sent: all that is asked of it here."""
    code = getattr(error, "code", None)
    return WorkFailed(
        type(error).__qualname__,
        text,
        trace,
        kinds=[_name(kind) for kind in type(error).__mro__],
        status_code=status_of(error),
        code=code if isinstance(code, str) else None,
        retry_after=retry_after(error),
    )


def is_transient(error: BaseException) -> bool:
    """Whether another try may go better: the default of ``retry_on``."""
    if isinstance(error, WorkerDied):
        return True
    status = status_of(error)
    if status is not None and status >= _CLIENT_ERRORS:
        return status in _RETRIED_STATUS or status >= _SERVER_ERRORS
    if _is_one_of(error, _MISTAKES) or not isinstance(error, Exception):
        return False
    return isinstance(error, WorkFailed) or not isinstance(error, CheckpointStoreError)


def is_hopeless(error: BaseException) -> bool:
    """Whether every chunk would fail so: a bad key, a used-up quota. The default of ``stop_on``."""
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
    """Return for how many seconds a service asked to be left alone, or None."""
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
        return min(max(0.0, _seconds(value)), _LONGEST_SECONDS)
    except (TypeError, ValueError, AttributeError):
        return None


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()


def pause_before_retry(wait: Wait | None, tries: int, error: BaseException) -> float:
    """Return the seconds to wait after so many tries, the last of which ended with ``error``."""
    asked = retry_after(error)
    if asked is not None:
        return asked
    if isinstance(wait, int | float):
        return float(wait)
    try:
        import tenacity  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        if wait is not None:
            return float(wait(tries))
        raise MissingExtra("tenacity", "retry", "trying a failed chunk again") from missing
    # Not wait_exponential_jitter(): the name of its first argument is another one since tenacity 9.2.
    growing = tenacity.wait_exponential(multiplier=_FIRST_SECONDS, max=_MOST_SECONDS)
    chosen: Any = wait or growing + tenacity.wait_random(0, _FIRST_SECONDS)
    if not isinstance(chosen, tenacity.wait.wait_base):
        return float(chosen(tries))
    state = tenacity.RetryCallState(retry_object=tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = tries
    state.set_exception((type(error), error, error.__traceback__))
    return float(chosen(state))


def checked_wait(wait: object) -> None:
    """Refuse what is neither seconds nor a function."""
    if not (wait is None or callable(wait) or (isinstance(wait, int | float) and wait >= 0)):
        raise InvalidArgumentError("wait", wait, "is neither seconds nor a function of the number of tries")
