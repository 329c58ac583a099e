"""The text of an error, as the store keeps it, its notes, and the exceptions behind an exception."""

from __future__ import annotations

import re
from itertools import islice
from opcode import opmap
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, WorkFailed
from checkpoint_store.model.no_data import HTML_PAGE, NO_FIELD, NO_JSON, met_no_data, no_data_remark
from checkpoint_store.model.service_answer import answer_beyond, field_of

if TYPE_CHECKING:
    from collections.abc import Iterator


ERROR_LENGTH_MAX: Final = 16 * 1024
"""The most characters of an error text that the store keeps."""
_SEARCHED_BEYOND: Final = 1024
"""The further characters that are searched: a secret may begin in the kept text and end behind it."""
_MEMBERS_MAX: Final = 8
"""The most exceptions of a group that its text names."""
_ANSWER_LENGTH_MAX: Final = 500
"""How many characters of a service's answer the message of an error has."""
_CONTROLS: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])"  # colours and cursor, the title, others
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class Remedy(str):
    """What to do about an error: a note of the exception that its message has, too."""

    __slots__ = ()


def set_field(error: BaseException, name: str, value: Any) -> None:
    """Set an attribute of an exception, such as ``__cause__``, also if its class forbids it, as a frozen dataclass."""
    BaseException.__setattr__(error, name, value)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, as its own ``add_note`` does."""
    set_field(error, "__notes__", [*notes_of(error), note])


def notes_of(error: BaseException) -> list[str]:
    """Return the notes of an exception that are texts. Its class may answer with anything, or raise an error."""
    try:
        notes = vars(error).get("__notes__")
    except Exception:  # whatever a property of the class does
        return []
    return [note for note in notes if isinstance(note, str)] if isinstance(notes, list | tuple) else []


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever its ``__str__`` does, and what the service said, if the text lacks that.

    The text of a group has what its members say, too.
    """
    text = _own_text_of(error)
    if not isinstance(error, BaseExceptionGroup):
        return (text + _remark_on(error, text)) if text else _remark_on(error, text).lstrip()
    members = list(islice(_members(error), _MEMBERS_MAX + 1))
    more = ["…"] if len(members) > _MEMBERS_MAX else []
    return f"{text}: {'; '.join([*map(_message_of, members[:_MEMBERS_MAX]), *more])}"


def _own_text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # __str__ of the caller's exception may raise anything
        return "(its text cannot be had)"


def _remark_on(error: BaseException, text: str) -> str:
    """Return what the service said, without secrets: a ``WorkFailed`` shows it wherever it is raised."""
    if remark := no_data_remark(error):
        return describe(remark)
    answer = _answer_to(error, text)
    return f" (the service says: {answer})" if answer else ""


def _answer_to(error: BaseException, text: str) -> str:
    answer = describe(answer_beyond(error, text))  # before the cut, which could leave the beginning of a secret
    return answer if len(answer) <= _ANSWER_LENGTH_MAX else f"{answer[:_ANSWER_LENGTH_MAX]}…"


def note_answer(error: BaseException) -> None:
    """Note with an exception what the service said with its refusal, if the text of the exception lacks that."""
    answer = _answer_to(error, _own_text_of(error))
    note = f"The service says: {answer}"
    if answer and note not in notes_of(error):
        add_note(error, note)


def _members(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the exceptions of a group that are no groups themselves."""
    waiting = list(group.exceptions)
    while waiting:  # groups may be nested deeper than calls may be
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting[:0] = error.exceptions
        else:
            yield error


def checked_error(error: object) -> BaseException | str:
    """Return what a caller gave as an error, :func:`readable`; refuse what is neither an exception nor a text."""
    if isinstance(error, BaseException):
        return readable(error)
    if not isinstance(error, str):
        raise InvalidArgumentError("error", error, "is neither an exception nor a text; give one of them")
    return error


def readable(error: BaseException) -> BaseException:
    """Return an exception, or :func:`unread` if its class lets nobody read what stands behind it.

    Such a class has a property ``__cause__``, ``__dict__`` or ``__traceback__`` that raises an error.
    """
    try:
        read = [(vars(link), link.__traceback__) for link in links(error)]
    except Exception:  # whatever a property of the caller's exception does
        return unread(error)
    return error if read else unread(error)


def unread(error: BaseException) -> WorkFailed:
    """Return a substitute for an exception of which only the name of its class, and perhaps a cost, can be read."""
    return WorkFailed(type(error).__name__, "(nothing more can be read of it)", cost=field_of(error, "cost"))


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
    if len(text) <= ERROR_LENGTH_MAX:
        return message
    if len(text) > ERROR_LENGTH_MAX + _SEARCHED_BEYOND:  # the end of what was searched may be half a secret
        message = message[:-_SEARCHED_BEYOND]
    return f"{message[:ERROR_LENGTH_MAX]}… (of {len(text):,} characters)"


def _message_of(error: BaseException | str) -> str:
    """Return the type and the text of an exception, and of its causes if they say something more."""
    if isinstance(error, str):
        return error
    message = _caused_message_of(error)
    remedies = [note for note in notes_of(error) if isinstance(note, Remedy)]
    return " ".join([message, *remedies])


def _caused_message_of(error: BaseException) -> str:
    message = _named(error)
    for number, cause in enumerate(_causes_of(error)):
        # A cause without a text says something by its type, next to the exception that was raised from it.
        text = cause.text if isinstance(cause, WorkFailed) else text_of(cause)
        news = text or (type(cause).__name__ if number == 0 else "")
        if news and news not in message:
            message += f" (caused by {_named(cause)})"
    return message


def _named(error: BaseException) -> str:
    named = text_of(error) if isinstance(error, WorkFailed) else f"{type(error).__name__}: {text_of(error)}"
    return named.removesuffix(": ")


def _causes_of(error: BaseException) -> Iterator[Exception]:
    """Yield what an exception was raised from, and so on. An error of this package says itself what caused it."""
    for _ in range(_NAMED_CAUSES_MAX):
        says_it_all = isinstance(error, CheckpointStoreError) and not isinstance(error, WorkFailed)
        causes = () if says_it_all else _raised_from_all(error)
        cause = next((link for link in causes if not type(link).__name__.endswith(_TRACEBACK_OF_WORKER)), None)
        if not isinstance(cause, Exception):
            return
        yield cause
        error = cause


_TRACEBACK_OF_WORKER: Final = "RemoteTraceback"
"""The end of the names of the causes by which process pools show where in a worker an exception was raised."""
_NAMED_CAUSES_MAX: Final = 8
"""The most causes of an exception that its text may name."""
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
    return [*_raised_from_all(error), *members]


def _raised_from_all(error: BaseException) -> list[BaseException]:
    inner = (raised_from(error), *(field_of(error, name) for name in _CAUSE_FIELDS))
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
    texts = [_own_text_of(context), *(text for text in answers if isinstance(text, str))]
    text = text_of(error)
    return any(len(part) >= _REPEATED_LENGTH_MIN and part in text for part in texts)


def reports_no_data(error: BaseException) -> bool:
    """Whether a service answered with a page, a broken body or nothing in place of data, here or in another process."""
    return any(
        met_no_data(link) or (isinstance(link, WorkFailed) and any(words in link.text for words in _NO_DATA))
        for link in links(error)
    )


_NO_DATA: Final = (HTML_PAGE, NO_JSON, NO_FIELD)
