"""Which failures are retried, after which back-off, and which would hit every chunk."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pickle import PicklingError
from typing import Any, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, WorkerDied, WorkFailed, short_repr
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.service_errors import (
    BUSY_CODES,
    CLIENT_ERROR_MIN,
    FAULT_CODES,
    TOO_LARGE,
    Trouble,
    codes_of,
    full_name,
    is_busy,
    is_too_large,
    may_have_arrived,
    messages_of,
    names_of,
    status_of,
    trouble_of,
)
from checkpoint_store.loop.service.unknown_model import MODEL_NOT_FOUND, names_unknown_model
from checkpoint_store.model.chunks import as_float
from checkpoint_store.model.error_text import links, readable, text_of
from checkpoint_store.model.money import cost_of_error, unreadable_cost_of
from checkpoint_store.model.service_answer import field_of
from checkpoint_store.system.log import log

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
_FATAL_STATUS: Final = frozenset({401, 402, 403, 407, 456})
"""The statuses of a bad key or a used-up quota: 407 is that of a proxy, and 456 that of DeepL for its quota."""
_FATAL_CODES: Final = frozenset({
    "insufficient_quota", "invalid_api_key", "billing_hard_limit_reached", "billing_not_active", "account_deactivated",
    "authentication_error", "permission_error", "billing_error", "api_key_invalid", "unauthenticated",
    "permission_denied", "unrecognizedclientexception", "expiredtoken", "expiredtokenexception",
    "invalidclienttokenid", "invalidsignatureexception", "accessdenied", "accessdeniedexception",
    "exceeded_current_quota_error", "invalid_authentication_error", "permission_denied_error", "arrearage",
    "servicequotaexceededexception",
})  # fmt: skip
"""The codes of OpenAI, Anthropic, Google, AWS, Moonshot and Alibaba for a bad key or a used-up quota, in lower case."""
_FATAL_MESSAGES: Final = (
    "credit balance is too low",
    "reached your specified api usage limits",
    "reached your specified workspace api usage limits",
)
"""The messages of Anthropic for a used-up quota. They come with HTTP 400 and without a code of their own."""
_FORBIDDEN_PLACE: Final = "user location is not supported"
"""The message of Google, with HTTP 400, for calls from a country that it does not serve."""
_QUOTA_IS_USED_UP: Final = re.compile(
    r"""["']insufficient_quota["']|\binsufficient balance\b|余额不足|\blimited to [0-9,]+ api calls / month""",
    re.IGNORECASE,
)
"""In the text of an exception with HTTP 429: OpenAI's code (aiohttp keeps no body), Zhipu's and Cohere's messages."""
_FATAL_NAMES: Final = frozenset({
    "NoCredentialsError", "PartialCredentialsError", "UnauthorizedSSOTokenError", "DefaultCredentialsError",
    "RefreshError", "ClientAuthenticationError", "CredentialUnavailableError", "BudgetExceededError",
})  # fmt: skip
"""The exceptions of clients without a key that is valid (botocore, google-auth, azure-core), or money (litellm)."""
_NO_KEY_TEXTS: Final = (
    "missing credentials",
    "the api_key client option must be set",
    "could not resolve authentication method",
    "no api key was provided",
    "missing key inputs argument",
)
"""How the errors of openai, anthropic and google-genai begin that have no class of their own: no key is set."""
_NO_KEY: Final = "invalid_api_key"
_MONEY_IS_OUT: Final = "billing_error"
"""The code of Anthropic, where it sends a code, for what ``_FATAL_MESSAGES`` say."""
_FORBIDDEN: Final = 403
_TOO_MANY_REQUESTS: Final = 429
_RETRY_AFTER_SECONDS_MAX: Final = 3600.0
"""The longest time that a ``Retry-After`` is waited for."""
_BACKOFF_SECONDS_MIN: Final = 0.5
_BACKOFF_SECONDS_MAX: Final = 60.0
_DOUBLINGS_MAX: Final = 10
"""After this many doublings the back-off has reached its maximum; further ones would overflow a float."""


def kept_errors(errors: Errors | None) -> Errors | None:
    """Return exception types that can be read again and again: an iterator, such as a generator, gives them once."""
    return tuple(errors) if isinstance(errors, Iterator) else errors


def matcher(
    name: str, errors: Errors | None, default: Callable[[BaseException], bool]
) -> Callable[[BaseException], bool]:
    """Return a function that says whether ``errors``, which are exception types or a function, mean an exception."""
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
    return lambda error: any(_is_one_of(link, types) for link in links(error))


def stop_rule(stop_on: Errors | None) -> Callable[[BaseException], bool]:
    """Return a function that says whether an exception stops the job: the fatal errors, and those of ``stop_on``.

    Only an empty collection takes the place of the fatal errors: then no error stops the job. A loop that
    stops at errors of its own must still stop at a bad key.
    """
    named = matcher("stop_on", stop_on, is_fatal)
    if stop_on is None or (isinstance(stop_on, Collection) and not stop_on):
        return named
    return lambda error: named(error) or is_fatal(error)


def _is_one_of(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception is of these types, also where it came from another process as a ``WorkFailed``."""
    kinds = error.kinds if isinstance(error, WorkFailed) else ()
    return isinstance(error, types) or any(full_name(kind) in kinds for kind in types)


def as_work_failed(error: BaseException, text: str, trace: str) -> WorkFailed:
    """Return a picklable substitute for an exception that has no pickle, with all that this module reads of it."""
    failed = WorkFailed(
        type(error).__name__,
        text,
        trace,
        kinds=[full_name(kind) for link in links(error) for kind in type(link).__mro__],
        status_code=None if trouble_of(error) is Trouble.NO_ANSWER else status_of(error),
        code=_telling_code(error),
        retry_after=retry_after(error),
        cost=cost_of_error(error),
    )
    failed.may_be_billed = may_have_arrived(error) or (failed.cost is None and unreadable_cost_of(error) is not None)
    return failed


def _telling_code(error: BaseException) -> str | None:
    """Return the code of a service that says what to do about its error; its first code if none does."""
    codes = list(codes_of(error))
    if _says_that_money_is_out(error):
        codes.append(_MONEY_IS_OUT)
    if _is_forbidden_here(error) or any(map(_has_no_key, links(error))):
        codes.append(_NO_KEY)
    if is_too_large(error):
        codes.append(TOO_LARGE)
    if names_unknown_model(error):
        codes.append(MODEL_NOT_FOUND)
    meanings = (_FATAL_CODES, {MODEL_NOT_FOUND}, {TOO_LARGE}, BUSY_CODES, FAULT_CODES)
    known = (code for meaning in meanings for code in codes if code in meaning)
    return next(known, codes[0] if codes else None)


def is_transient(error: BaseException) -> bool:
    """The default of ``retry_on``: whether a retry may succeed."""
    if isinstance(error, WorkerDied) or trouble_of(error) is not Trouble.NONE:
        return True
    status = status_of(error)
    if (status is not None and status >= CLIENT_ERROR_MIN) or not isinstance(error, Exception):
        return False
    return not _is_one_of(error, _MISTAKES) and (
        isinstance(error, WorkFailed) or not isinstance(error, CheckpointStoreError)
    )


def is_fatal(error: BaseException) -> bool:
    """Whether every chunk would meet this error: a bad key, no quota, an unknown model … See :func:`stop_rule`."""
    status = status_of(error)
    if not _FATAL_CODES.isdisjoint(codes_of(error)) or names_unknown_model(error):
        return True
    if status in _FATAL_STATUS:  # some of Google's services answer 403 to too frequent calls
        return status != _FORBIDDEN or not is_busy(error)
    return _says_that_money_is_out(error) or _is_forbidden_here(error) or any(map(_has_no_key, links(error)))


def blames_no_chunk(error: BaseException | str) -> bool:
    """Whether no chunk is at fault: the service is away, or every chunk would meet the error. A text says nothing."""
    if isinstance(error, BaseException):
        error = readable(error)
        return is_away(error) or is_fatal(error)
    return False


def is_away(error: BaseException) -> bool:
    """Whether the service takes no calls now, or the call reached no service."""
    trouble = trouble_of(error)
    return trouble is Trouble.BUSY or (trouble is Trouble.NO_ANSWER and not may_have_arrived(error))


def _says_that_money_is_out(error: BaseException) -> bool:
    if any(text in message for message in messages_of(error) for text in _FATAL_MESSAGES):
        return True
    status = status_of(error)
    if status not in {None, _TOO_MANY_REQUESTS}:
        return False
    texts = [text for text in map(text_of, links(error)) if status or str(_TOO_MANY_REQUESTS) in text]
    return any(map(_QUOTA_IS_USED_UP.search, texts))


def _is_forbidden_here(error: BaseException) -> bool:
    return any(message.startswith(_FORBIDDEN_PLACE) for message in messages_of(error))


def _has_no_key(error: BaseException) -> bool:
    """Whether an exception says that a client has no valid key or no money, and is no passing failure of the client."""
    if text_of(error).lstrip('"').lower().startswith(_NO_KEY_TEXTS):
        return True
    return field_of(error, "retryable") is not True and not _FATAL_NAMES.isdisjoint(names_of(error))


def pause_before_retry(wait: Wait | None, attempt_count: int, error: BaseException) -> float:
    """Return the seconds to wait after this many attempts, the last of which ended with ``error``."""
    requested = retry_after(error)
    if requested is not None:  # with jitter: the service is busy already
        if requested > _RETRY_AFTER_SECONDS_MAX:
            log.warning("Retry-After asks to wait %.0f s; %.0f s is the limit", requested, _RETRY_AFTER_SECONDS_MAX)
        return min(requested, _RETRY_AFTER_SECONDS_MAX) + _jitter(_BACKOFF_SECONDS_MIN)
    if wait is None:
        return backoff(attempt_count)
    if not callable(wait):
        return float(wait)
    seconds = _seconds_from(wait, attempt_count, error)
    if not _is_seconds(seconds):
        raise InvalidArgumentError(
            "wait", wait, f"returned {short_repr(seconds)}, which is no number of seconds from 0"
        )
    return float(seconds)


def backoff(attempt_count: int) -> float:
    """Return the seconds to wait after this many attempts: they double with each, and a random part is added."""
    seconds = min(_BACKOFF_SECONDS_MIN * 2.0 ** min(attempt_count - 1, _DOUBLINGS_MAX), _BACKOFF_SECONDS_MAX)
    return seconds + _jitter(seconds)


def _jitter(seconds_max: float) -> float:
    return random.uniform(0, seconds_max)  # noqa: S311 - so that chunks that fail together are not retried together


def _seconds_from(wait: Callable[[Any], float], attempt_count: int, error: BaseException) -> Any:
    """Return the result of a function, or of a wait object of tenacity."""
    tenacity = sys.modules.get("tenacity")  # a wait object of tenacity exists only where tenacity was imported
    if tenacity is None or not isinstance(wait, tenacity.wait.wait_base):
        return wait(attempt_count)
    state = tenacity.RetryCallState(retry_object=tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt_count
    state.set_exception((type(error), error, error.__traceback__))
    return wait(state)


def _is_seconds(value: object) -> bool:
    number = as_float(value)
    return number is not None and 0 <= number < float("inf")


def checked_wait(wait: object) -> None:
    """Refuse a ``wait`` that is neither seconds nor a function."""
    if not (wait is None or callable(wait) or _is_seconds(wait)):
        raise InvalidArgumentError("wait", wait, "is neither seconds nor a function of the number of tries")
