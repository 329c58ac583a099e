"""A secret is found behind the escapes of an address in an address, of JSON in a JSON string, and of a page."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from each_case import each_case

from checkpoint_store.model.codec.secrets import redact_secrets, redact_text
from checkpoint_store.model.error_text import ERROR_LENGTH_MAX, describe

from .redact_tools import is_rejected

if TYPE_CHECKING:
    from collections.abc import Callable

V = "q7Zt2LmX9cVb4Kd8Rw1Y"
INNER = [
    f"https://y/?api_key={V}&a=1",
    f"https://y/?a=1&token={V}",
    f"https://y/#access_token={V}",
    f"https://bob:{V}@y/",
    f"https://y/?k=sk-proj-{V}",
    f"Authorization: Bearer {V}",
    f"Authorization: Basic {V}==",
    json.dumps({"x-api-key": V}),
    f"https://y/?k=ghp_{V}abcd",
]
FORMS: Final[dict[str, Callable[[str], str]]] = {
    "an address": lambda text: f"https://x/?to={quote(text, safe='')}",
    "an address, twice": lambda text: f"https://x/?to={quote(quote(text, safe=''), safe='')}",
    "an address in lower case": lambda text: f"https://x/?to={quote(text, safe='').replace('%3D', '%3d')}",
    "JSON": lambda text: json.dumps({"body": json.dumps(text)}),
    "JSON, twice": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "JSON of Go": lambda text: text.replace("=", "\\u003d").replace("&", "\\u0026"),
    "a page": lambda text: html.escape(text).replace("=", "&#61;"),
}
HARMLESS = [
    "GET https://api.x.com/v1/search?q=the%20secret%20of%20tokens%20and%20keys&lang=en failed",
    "docker run -u 1000:1000 and python -u app.py:12",
    "HTTP 404 for https://x/a%2Fb%2Fkey%3Dcleaned%26page%3D2%26max_tokens%3D4096",
    "next page: https%3A%2F%2Fx%2F%3Fpage_token%3D3",
    'error: {\\"type\\": \\"token_limit\\", \\"max_tokens\\": \\"4096\\"}',
    "https://x/?redirect=https%3A%2F%2Fx%2Fauth%3Fstate%3D3f48999c-c66a-4477-938d-0faf82ba9197",
    "password%3A%20required, and 100%25 of the tokens",
]


@each_case("form", FORMS)
def test_a_secret_behind_escapes_goes(form: str) -> None:
    """No form of escapes keeps a secret in an error text or in an imported config, and a config is refused."""
    texts = [FORMS[form](inner) for inner in INNER]
    assert [text for text in texts if V in redact_text(text) or V in str(redact_secrets({"x": text}))] == []
    assert [text for text in texts if not is_rejected({"x": text})] == []


def test_a_command_over_several_lines() -> None:
    """A command of curl keeps neither a header nor a login, also where it goes on in the next line."""
    lines = f"curl -u bob:{V} \\\n --user ann:{V} \\\n -H 'x-api-key:\\\n {V}' https://x"
    assert redact_text(lines) == "curl -u bob:[redacted]  --user ann:[redacted]  -H 'x-api-key: [redacted]' https://x"


def test_headers_in_bytes() -> None:
    """The headers of a client that keeps bytes lose their cookie as those of other clients do."""
    assert redact_text(repr([(b"cookie", b"sid=" + V.encode())])) == "[(b'cookie', b'[redacted]')]"


def test_escapes_without_a_secret_stay() -> None:
    """A text with escapes that hides no secret is kept as it was written."""
    assert [text for text in HARMLESS if redact_text(text) != text] == []
    assert [text for text in HARMLESS if is_rejected({"x": text})] == []


def test_the_end_of_a_long_text_keeps_no_half_of_a_secret() -> None:
    """Where replaced secrets make a long text short, its end does not show the beginning of one more secret."""
    key = "sk-" + "Ab1" * 200
    for shift in range(0, 1024, 7):
        text = describe(" " * shift + f"{key} " * 60)
        assert "sk-" not in text
    assert len(describe("word " * ERROR_LENGTH_MAX)) < ERROR_LENGTH_MAX + 40


def test_a_long_text_is_cut_before_it_is_compared() -> None:
    """What a service said is looked for in the beginning of a text of megabytes, not in all of it."""

    class Long(str):
        __slots__ = ()

        def split(self, *_: object) -> list[str]:
            raise AssertionError("all of it was read")

    class Refused(Exception):
        body = Long("no more calls " * 100_000)

        def __str__(self) -> str:
            return Long(f"{self.body}!")

    assert describe(Refused()).startswith("Refused: no more calls")
