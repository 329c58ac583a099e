"""What a service said with its refusal, as exceptions of its clients keep it: data, JSON text, a page or a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.no_data import is_html_page, refusal_behind, title_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RESPONSE_FIELDS: Final = ("response", "raw_response")
MESSAGE_FIELDS: Final = frozenset({"message"})
_DATA_FIELDS: Final = ("body", "error", "details", "error_details", "response")
_READ_BODY: Final = "_content"
"""The attribute in which httpx and requests keep a body that was read. Their public ones may wait for the network."""
_TEXT_FIELDS: Final = (MESSAGE_FIELDS, frozenset({"error", "error_message", "detail", "msg"}))
"""The names under which a service says in words what is wrong, the most usual first."""
_BODY_LENGTH_MAX: Final = 64 * 1024
_NESTING_MAX: Final = 6


def field_of(holder: Any, name: str) -> Any:
    """Return a field of an object or a mapping, or None."""
    try:
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    except Exception:  # whatever a property of the caller's exception does
        return None


def data_of(link: BaseException) -> Iterator[Any]:
    """Yield the data that a service sent with its error, as an exception has it: as data, or as JSON text."""
    for name in _DATA_FIELDS:
        data = field_of(link, name)
        yield _parsed_json(data) if isinstance(data, str | bytes) else data
    for name in RESPONSE_FIELDS:
        yield _parsed_json(field_of(field_of(link, name), _READ_BODY))
    yield refusal_behind(link)


def words_in(data: Any, names: frozenset[str]) -> Iterator[str]:
    """Yield the texts under these names, at any depth of JSON data."""
    return (value for value in values_in(data, names) if isinstance(value, str))


def values_in(data: Any, names: frozenset[str], level: int = 0) -> Iterator[Any]:
    """Yield the values under these names, at any depth of JSON data; those of an object after the object."""
    if level > _NESTING_MAX:
        return
    if isinstance(data, Mapping):
        for name, value in data.items():
            if name in names:
                yield value
            yield from values_in(value, names, level + 1)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from values_in(value, names, level + 1)


def answers_in(link: BaseException) -> Iterator[str]:
    """Yield what a service said in words in the data that it sent with its error."""
    for names in _TEXT_FIELDS:
        for data in data_of(link):
            yield from words_in(data, names)


def answer_beyond(error: BaseException, text: str) -> str:
    """Return what a service said with its refusal, where ``text``, that of the exception, lacks it; else no text."""
    words = " ".join(_answer_in(error)[:_BODY_LENGTH_MAX].split())
    text = text[: 2 * _BODY_LENGTH_MAX]
    is_repeated = any(form in text or form in " ".join(text.split()) for form in (words, repr(words)[1:-1]))
    return "" if is_repeated else words


def _answer_in(error: BaseException) -> str:
    """Return the words of a service's answer: its message, the title of its page, or the beginning of its body."""
    read = (field_of(field_of(error, name), _READ_BODY) for name in RESPONSE_FIELDS)
    bodies = (field_of(error, "body"), *read, refusal_behind(error))
    body = next((body for body in bodies if body and isinstance(body, str | bytes | Mapping)), "")
    data = body if isinstance(body, Mapping) else _parsed_json(body)
    for names in _TEXT_FIELDS:
        for word in words_in(data, names):
            return word
    if isinstance(body, Mapping):
        return ""  # the exceptions of the clients that keep data say what stands in it
    text = body if isinstance(body, str) else body[: 4 * _BODY_LENGTH_MAX].decode("utf-8", "replace")
    return title_of(text) if is_html_page(text) else text


def _parsed_json(text: Any) -> Any:
    """Return the object or the list that a JSON text stands for; None for anything else."""
    if not isinstance(text, str | bytes) or len(text) > _BODY_LENGTH_MAX:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict | list) else None
