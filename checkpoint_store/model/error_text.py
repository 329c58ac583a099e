"""The text of an error, as the store keeps it."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError, WorkFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_LENGTH_MAX: Final = 16 * 1024
"""The most characters of an error text that the store keeps."""
_SEARCHED_BEYOND: Final = 1024
"""The further characters that are searched: a secret may begin in the kept text and end behind it."""
_MEMBERS_MAX: Final = 8
"""The most exceptions of a group that its text names."""
_CONTROLS: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])"  # colours and cursor, the title, others
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its ``__str__`` does; of a group, what its members say, too."""
    try:
        text = str(error)
    except Exception:  # __str__ of the caller's exception may raise anything
        return "(its text cannot be had)"
    if not isinstance(error, BaseExceptionGroup):
        return text
    members = list(islice(_members(error), _MEMBERS_MAX + 1))
    more = ["…"] if len(members) > _MEMBERS_MAX else []
    return f"{text}: {'; '.join([*map(_message_of, members[:_MEMBERS_MAX]), *more])}"


def _members(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the exceptions of a group that are no groups themselves."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _members(error)
        else:
            yield error


def check_error(error: object) -> None:
    """Raise :class:`InvalidArgumentError` if what a caller gave as an error is neither an exception nor a text."""
    if not isinstance(error, BaseException | str):
        raise InvalidArgumentError("error", error, "is neither an exception nor a text; give one of them")


def describe(error: BaseException | str) -> str:
    """Return the message to keep of an error: up to 16 Ki characters, without secrets and control characters.

    The message of an exception is the same whether it comes from this process or from another one.
    """
    try:
        from checkpoint_store.model.codec.secrets import redact_text  # its patterns are for writers only
    except (OSError, MemoryError) as missing:  # no descriptor is left to read the module with
        return f"{type(error).__name__} (its text is not kept: secrets cannot be looked for: {type(missing).__name__})"

    text = _message_of(error)
    searched = _CONTROLS.sub("", text[: ERROR_LENGTH_MAX + _SEARCHED_BEYOND])
    message = redact_text(searched.encode("utf-8", "backslashreplace").decode("utf-8"))
    return message if len(text) <= ERROR_LENGTH_MAX else f"{message[:ERROR_LENGTH_MAX]}… (of {len(text):,} characters)"


def _message_of(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error
    named = text_of(error) if isinstance(error, WorkFailed) else f"{type(error).__name__}: {text_of(error)}"
    return named.removesuffix(": ")
