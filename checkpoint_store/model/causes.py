"""The exceptions behind an exception: its causes, and the exception that was handled when it was raised.

Many clients raise an exception of their own inside ``except``, without ``from``: litellm, LangChain, code of users.
Python keeps the exception that was being handled as ``__context__``. That may be what the new one reports (the answer
of a service), or have nothing to do with it: work that a handler did after a failure (another model, another key) may
fail for a reason of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from opcode import opmap
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.error_text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINKS_MAX: Final = 32
_CAUSE_FIELDS: Final = ("reason", "inner_exception", "original_exception")
"""The attributes in which exceptions of urllib, urllib3, azure-core and litellm keep what they were raised from."""
_RAISE: Final = opmap["RAISE_VARARGS"]
"""The instruction of a ``raise`` with an exception."""
_REPEATED_LENGTH_MIN: Final = 8
"""A shorter text may stand in another one by chance."""


def links(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what it was raised from, and the members of a group; the outermost first."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _LINKS_MAX:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += reported_by(link)


def reported_by(error: BaseException) -> list[BaseException]:
    """Return the exceptions that an exception reports itself: what it was raised from, and the members of a group."""
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    inner = (raised_from(error), *(field_of(error, name) for name in _CAUSE_FIELDS), *members)
    return [link for link in inner if isinstance(link, BaseException)]


def raised_from(error: BaseException) -> BaseException | None:
    """Return the exception that another one was raised from; None if it was raised for a reason of its own.

    Without ``from``, it is the exception that was being handled, if the ``raise`` stands in the function that caught
    that exception, or if the new text repeats the old one. After ``from None`` it is None.
    """
    context = error.__context__
    if error.__cause__ is not None or error.__suppress_context__ or context is None:
        return error.__cause__
    return context if _was_raised_where_caught(error, context) or _repeats(error, context) else None


def _was_raised_where_caught(error: BaseException, context: BaseException) -> bool:
    """Whether the call that caught ``context`` raised ``error`` by ``raise``, and not by a step that failed."""
    raised, caught = error.__traceback__, context.__traceback__
    if raised is None or caught is None:  # it comes from another process, or was never raised
        return False
    while raised.tb_next is not None:
        raised = raised.tb_next
    instructions, at = raised.tb_frame.f_code.co_code, raised.tb_lasti
    is_by_raise = 0 <= at < len(instructions) and instructions[at] == _RAISE
    return is_by_raise and raised.tb_frame is caught.tb_frame


def _repeats(error: BaseException, context: BaseException) -> bool:
    """Whether the text of ``error`` has that of ``context`` in it, or the message of the service's answer."""
    body = field_of(context, "body")
    answers = (field_of(holder, "message") for holder in (context, body, field_of(body, "error")))
    texts = [text_of(context), *(text for text in answers if isinstance(text, str))]
    text = text_of(error)
    return any(len(part) >= _REPEATED_LENGTH_MIN and part in text for part in texts)


def field_of(holder: Any, name: str) -> Any:
    """Return a field of an object or a mapping, or None."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    try:
        return getattr(holder, name, None)
    except Exception:  # whatever a property of the caller's exception does
        return None
