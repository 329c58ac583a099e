"""Tell an answer that is no data: an HTML page of a login, a captive portal or a gateway, nothing, or broken JSON."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Mapping
from itertools import pairwise
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dis import Instruction

HTML_PAGE: Final = "the service answered with an HTML page"
"""How the text of an error names the page."""
NO_JSON: Final = "the service answered with a body that is no JSON"
"""How the text of an error names an empty or a broken body."""
NO_FIELD: Final = "the service answered without "
"""How the text of an error names an answer that lacks a field. So OpenRouter refuses calls, with HTTP 200, and botocore
reads a page, and an empty body."""
_CLIENTS: Final = frozenset({"httpx", "httpx2", "requests", "urllib3", "aiohttp", "openai", "anthropic", "google"})
"""The packages that parse the body of an answer. What the work itself parses may be the reply of a model."""
_UNREADABLE: Final = frozenset({"JSONDecodeError", "UnicodeDecodeError"})
_NO_TYPE: Final = "with unexpected mimetype: "
"""The end of aiohttp's message for an answer that has no body, and no type."""
_BEGINNING: Final = re.compile(r"[\s\ufeff]*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title\b[^>]*>([^<]*)", re.IGNORECASE)
_NO_WORDS: Final = re.compile(
    r"<(script|style)\b.*?(?:</\1>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*>?|\ufeff", re.IGNORECASE | re.DOTALL
)
"""What a page does not show. A script that has no end goes on to the end of the text, so each character is met once."""
_SEARCHED_MAX: Final = 16 * 1024
"""The first characters of a page, in which its title and its words are looked for."""
_TITLE_LENGTH_MAX: Final = 80
_ANSWER_FIELDS: Final = frozenset({"choices", "output_text", "usage"})
"""The fields of openai's answers, which no other text is asked for. openai and anthropic return a page as a text."""
_CHOICES: Final = "choices"
_WITH_CHOICES: Final = frozenset({"openai", "groq"})
_FIELDS_OF_ANSWERS: Final = {
    _CHOICES: (_WITH_CHOICES, "completions"),
    "output_text": ({"openai"}, "responses"),
    "data": ({"openai"}, "images"),
    "content": ({"anthropic"}, "messages"),
    "message": ({"cohere"}, "chat"),
}
"""The fields that programs read of an answer, each with the clients whose answers have it, and with a word of the call
that asks for such an answer: ``client.chat.completions.create()``."""
_NO_ANSWERS: Final = (type(None), list, str)
"""What a client returns for a body that is JSON and no object, or no JSON."""
_WITH_BODIES: Final = frozenset({"mistralai", "cohere"})
_CONTENT: Final = "content"
"""The field of anthropic's answers. Without that client, a program asks an HTML text of its own for it by mistake."""
_OUTPUT: Final = "output"
_CONVERSE: Final = "converse"
_OF_BOTOCORE: Final = "ResponseMetadata"
"""The key that each answer of botocore has, and the only key of an answer that was no data."""
_SUCCESS_MIN, _SUCCESS_END = 200, 300
"""The statuses with which an answer should have data."""
_STEPS_BACK: Final = 2
"""An index takes two instructions: what is indexed, and the index."""
_VARIABLE: Final = re.compile(r"(?:\w+_)?LOAD_(?:FAST|DEREF|GLOBAL|NAME)\w*")
"""The instructions that take a variable. Some take two variables at once."""
_CALL: Final = re.compile(r"CALL\w*|END_SEND|JUMP_BACKWARD_NO_INTERRUPT")
"""The last instructions of a call, and of ``await``."""
_READERS: Final = re.compile(r"openai\.types\..*|openai\..*embeddings|botocore\.parsers")
"""The modules of clients that take a field out of an answer themselves."""
_EMBEDDINGS: Final = "data"
"""The field of openai's embeddings. A program may ask an HTML text of its own for it, so openai has to ask for it."""


def met_no_data(error: BaseException) -> bool:
    """Whether a client met an HTML page, or a body that is no JSON, instead of data."""
    return _page_in(error) is not None or _is_about_body(error) or _missing_field(error) is not None


def no_data_remark(error: BaseException) -> str:
    """Return the remark on what a client met instead of data, with the title of a page; an empty text without."""
    page = _page_in(error)
    if page is None and _is_about_body(error):
        return f" ({NO_JSON})"
    if page is None:
        field = _missing_field(error)
        return f" ({NO_FIELD}{field})" if field is not None and refusal_behind(error) is None else ""
    title = title_of(page)
    return f" ({HTML_PAGE}: {title})" if title else f" ({HTML_PAGE})"


def _page_in(error: BaseException) -> str | None:
    """Return the HTML page that an error speaks of. The page is an empty text if the client has not read it."""
    names, fields = [kind.__name__ for kind in type(error).__mro__], vars(error)
    if "ContentTypeError" in names:  # of aiohttp
        return "" if "text/html" in str(fields.get("message")) else None
    text = fields.get("doc") if "JSONDecodeError" in names else None
    if type(error) is AttributeError and (
        error.name in _ANSWER_FIELDS or _is_of_anthropic(error) or _is_of_embeddings(error)
    ):
        text = error.obj
    if text is None and _keeps_a_body_of_success(error):
        text = fields["body"]
    return text if isinstance(text, str) and is_html_page(text) else None


def _is_about_body(error: BaseException) -> bool:
    """Whether a client parsed the body of an answer, and not the work a part of it."""
    if _keeps_a_body_of_success(error):
        return not _is_json(vars(error)["body"])
    if type(error) is AttributeError and isinstance(error.obj, str):
        return _field_at_fault(error) is not None and not error.obj.lstrip().startswith("<")
    packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    if type(error) is AssertionError:  # anthropic asserts that the stream of an answer began
        return packages[-1:] == ["anthropic"]
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ContentTypeError" in names:  # of aiohttp, which names the type of a body
        return str(vars(error).get("message")).endswith(_NO_TYPE)
    return not names.isdisjoint(_UNREADABLE) and not _CLIENTS.isdisjoint(packages)


def _keeps_a_body_of_success(error: BaseException) -> bool:
    """Whether a client says that it could not read an answer whose status means success, and has its body."""
    fields = vars(error)
    status = fields.get("status_code") if _package_of(error) in _WITH_BODIES else None
    return isinstance(status, int) and _SUCCESS_MIN <= status < _SUCCESS_END and isinstance(fields.get("body"), str)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _missing_field(error: BaseException) -> str | None:
    """Return the name of the field that an answer lacks, if work failed at that (``answer.choices[0]``); else None."""
    if error.__traceback__ is None:
        return None
    *_, (frame, _) = walk_tb(error.__traceback__)
    module = str(frame.f_globals.get("__name__"))
    if _READERS.fullmatch(module) is not None and isinstance(error, TypeError | AttributeError | ValueError):
        return _EMBEDDINGS if module.endswith("embeddings") else _OUTPUT
    if type(error) is KeyError:
        return _OUTPUT if _lacks_output(error) else None
    is_of_nothing = type(error) is TypeError and "'NoneType'" in str(error)
    is_of_another = type(error) is AttributeError and isinstance(error.obj, type(None) | list)
    return _field_at_fault(error) if is_of_nothing or is_of_another else None


def _field_at_fault(error: BaseException) -> str | None:
    """Return the field of an answer that the instruction works on which failed; None if it works on something else.

    The answer is a variable, or comes right from the call that asks for it. Other data may have such fields of its own,
    and who asks the field of a whole answer for what it does not have (``answer.content.text``) makes a mistake.
    """
    if error.__traceback__ is None:
        return None
    is_no_answer = type(error) is AttributeError and error.obj is not None
    *_, (frame, _) = walk_tb(error.__traceback__)
    for owner, step in pairwise(_last_steps(error)):
        clients, asked = _FIELDS_OF_ANSWERS.get(step.argval if step.opname == "LOAD_ATTR" else "", (frozenset(), ""))
        if clients.isdisjoint(sys.modules) or (is_no_answer and getattr(error, "name", "") != step.argval):
            continue
        asks = asked in frame.f_code.co_names
        if _VARIABLE.fullmatch(owner.opname) is None:
            is_answer = asks and _CALL.fullmatch(owner.opname) is not None
        else:
            name = owner.argval[-1] if isinstance(owner.argval, tuple) else owner.argval
            answer = frame.f_locals.get(name, frame.f_globals.get(name))
            is_of_client = _package_of(answer) in clients and _lacks(answer, step.argval)
            is_answer = is_of_client or (asks and isinstance(answer, _NO_ANSWERS))
        if is_answer:
            return str(step.argval)
    return None


def _lacks(answer: object, field: str) -> bool:
    try:
        return getattr(answer, field, None) is None
    except Exception:  # openai makes output_text of other fields, which the answer may lack, too
        return True


def _lacks_output(error: BaseException) -> bool:
    """Whether work failed because an answer of Bedrock had no ``output``.

    The answer is a variable of the work (``answer["output"]``), or was just returned (``converse(…)["output"]``).
    """
    *_, (frame, _) = walk_tb(error.__traceback__)
    if error.args != (_OUTPUT,):
        return False
    if any(isinstance(value, dict) and [*value] == [_OF_BOTOCORE] for value in frame.f_locals.values()):
        return True
    is_of_call = any(step.opname.startswith("CALL") for step in _last_steps(error)[-_STEPS_BACK - 1 : -1])
    return is_of_call and _CONVERSE in frame.f_code.co_names


def _last_steps(error: BaseException) -> list[Instruction]:
    """Return the instruction that failed, last, and the instructions before it that may have made what it works on."""
    from dis import get_instructions  # for these errors only

    traced = error.__traceback__
    while traced is not None and traced.tb_next is not None:
        traced = traced.tb_next
    if traced is None:
        return []
    steps = [step for step in get_instructions(traced.tb_frame.f_code) if step.offset <= traced.tb_lasti]
    return steps[-_STEPS_BACK - 2 :]


def _package_of(value: object) -> str:
    return str(type(value).__module__).partition(".")[0]


def refusal_behind(error: BaseException) -> Mapping[str, Any] | None:
    """Return the error in an answer without choices, as JSON data, where a variable of the work has that answer."""
    if type(error) is not TypeError or _missing_field(error) != _CHOICES:
        return None
    *_, (frame, _) = walk_tb(error.__traceback__)
    answers = (value for value in frame.f_locals.values() if _package_of(value) in _WITH_CHOICES)
    refusals = (getattr(answer, "error", None) for answer in answers if getattr(answer, _CHOICES, "") is None)
    return next(({"error": refusal} for refusal in refusals if isinstance(refusal, Mapping)), None)


def is_html_page(text: str) -> bool:
    """Whether a text is an HTML page."""
    return _BEGINNING.match(text) is not None


def _is_of_anthropic(error: AttributeError) -> bool:
    return error.name == _CONTENT and "anthropic" in sys.modules


def _is_of_embeddings(error: AttributeError) -> bool:
    *_, module = ("", *(str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)))
    return error.name == _EMBEDDINGS and module.startswith("openai.")


def title_of(page: str) -> str:
    """Return the title of a page, or its first words."""
    searched = page[:_SEARCHED_MAX]
    title = _TITLE.search(searched)
    words = " ".join(html.unescape(title[1] if title else "").split())
    words = words or " ".join(html.unescape(_NO_WORDS.sub(" ", searched)).split())
    return words if len(words) <= _TITLE_LENGTH_MAX else f"{words[:_TITLE_LENGTH_MAX]}…"
