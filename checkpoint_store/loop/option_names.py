"""The names of options: an unknown name gets an error that says which option was meant."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from checkpoint_store.errors import UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

P = ParamSpec("P")
R = TypeVar("R")

_NAMES_ELSEWHERE: Final = {
    "attempts": "max_attempts",
    "backoff": "wait",
    "budget": "max_cost",
    "callback": "on_event",
    "callbacks": "on_event",
    "calls_per_minute": "max_calls_per_minute",
    "concurrency": "workers",
    "deadline": "deadline_seconds",
    "delay": "wait",
    "hook": "on_event",
    "limit": "workers",
    "max_concurrency": "workers",
    "max_requests_per_minute": "max_calls_per_minute",
    "max_retries": "max_attempts",
    "max_seconds": "deadline_seconds",
    "max_workers": "workers",
    "n_jobs": "workers",
    "num_retries": "max_attempts",
    "on_progress": "on_event",
    "parallel": "workers",
    "parallelism": "workers",
    "pool": "executor",
    "processes": "executor",
    "rate_limit": "max_calls_per_minute",
    "requests_per_minute": "max_calls_per_minute",
    "retries": "max_attempts",
    "retry": "retry_on",
    "rpm": "max_calls_per_minute",
    "threads": "workers",
    "tokens_per_minute": "max_tokens_per_minute",
    "tpm": "max_tokens_per_minute",
    "tqdm": "progress",
    "tries": "max_attempts",
}
"""The options of this package, by the names that neighbouring libraries have for them."""
_SET_HERE: Final = {"dask": ("key", "pure", "retries")}
"""The options of an engine that its executor sets, by the name of the function that makes the executor."""


def checks_option_names(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method refuse, before anything else, a keyword that it does not have; the error names the nearest one."""
    known = [name for name in inspect.signature(method).parameters if name != "self"]

    @functools.wraps(method)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in kwargs.items():
            if name not in known:
                raise unknown_option(method.__name__, name, value, known)
        return method(*args, **kwargs)

    return checked


def shows_options_of(method: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function that passes its ``**options`` on to a method show its options as its own, and refuse any other."""

    def with_options(function: Callable[P, R]) -> Callable[P, R]:
        signature, kinds = inspect.signature(function), inspect.Parameter
        own = {name: given for name, given in signature.parameters.items() if given.kind is not kinds.VAR_KEYWORD}
        options = [given for given in inspect.signature(method).parameters.values() if given.kind is kinds.KEYWORD_ONLY]
        parameters = [*own.values(), *(given for given in options if given.name not in own)]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        checked: Any = checks_option_names(function)
        checked.__signature__ = checked.__dict__.pop("__wrapped__").__signature__
        # Not wrapped: tools would look in the source of ``function`` for the defaults of these options.
        return cast("Callable[P, R]", checked)

    return with_options


def unknown_option(method: str, name: str, value: object, known: Sequence[str]) -> UnknownOptionError:
    """Return the error for an option that a method does not have: it names the nearest one, or all."""
    import difflib  # for mistakes only

    if name in _SET_HERE.get(method, ()):
        return UnknownOptionError(name, value, "is set here, so that one attempt is one call")
    candidates = [_NAMES_ELSEWHERE.get(name, ""), *(option for option in known if option.startswith(f"{name}_"))]
    candidates += difflib.get_close_matches(name, known, n=1)
    nearest = next((candidate for candidate in candidates if candidate in known), None)
    remedy = f"did you mean {nearest}?" if nearest else f"it has {', '.join(known)}"
    return UnknownOptionError(name, value, f"is no option of {method}(): {remedy}")
