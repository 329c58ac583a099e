"""Tell an answer that is no data: an HTML page of a login, a captive portal or a gateway, nothing, or broken JSON."""

from __future__ import annotations

import html
import re
import sys
from traceback import walk_tb
from typing import Final

HTML_PAGE: Final = "the service answered with an HTML page"
"""How the text of an error names the page."""
NO_JSON: Final = "the service answered with a body that is no JSON"
"""How the text of an error names an empty or a broken body."""
_CLIENTS: Final = frozenset({"httpx", "requests", "aiohttp", "openai", "anthropic"})
"""The packages that parse the body of an answer. What the work itself parses may be the reply of a model."""
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
_CONTENT: Final = "content"
"""The field of anthropic's answers. Without that client, a program asks an HTML text of its own for it by mistake."""
_EMBEDDINGS: Final = "data"
"""The field of openai's embeddings. A program may ask an HTML text of its own for it, so openai has to ask for it."""


def met_no_data(error: BaseException) -> bool:
    """Whether a client met an HTML page, or a body that is no JSON, instead of data."""
    return _page_in(error) is not None or _is_about_body(error)


def no_data_remark(error: BaseException) -> str:
    """Return the remark on what a client met instead of data, with the title of a page; an empty text without."""
    page = _page_in(error)
    if page is None:
        return f" ({NO_JSON})" if _is_about_body(error) else ""
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
    return text if isinstance(text, str) and is_html_page(text) else None


def _is_about_body(error: BaseException) -> bool:
    """Whether a client parsed the body of an answer, and not the work a part of it."""
    if "JSONDecodeError" not in [kind.__name__ for kind in type(error).__mro__]:
        return False
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return any(module.partition(".")[0] in _CLIENTS for module in modules)


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
