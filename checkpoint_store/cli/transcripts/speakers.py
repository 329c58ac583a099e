"""Find the beginning of a speaker's turn in a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


def _upper_case() -> str:
    """Return the upper-case letters as a character class; ``re`` has none of its own."""
    alphabets = (range(0x41, 0x590), range(0x10A0, 0x1100), range(0x1E00, 0x2000), range(0x2C00, 0x2E00))
    return "".join(chr(code) for alphabet in alphabets for code in alphabet if chr(code).isupper())


_UPPER: Final = f"[{_upper_case()}]"
_CASELESS: Final = (
    r"[\u0590-\u109f\u1100-\u1bff\u2e80-\u2fff\u3005-\u3007\u3040-\uabff\uac00-\ud7ff\uf900-\ufdff\ufe70-\ufefc"
    r"\U00020000-\U0003ffff]"
)
_REST: Final = r"[^\s:：,;!?()\[\]{}<>\"“”«»。、，？！「」]"
_CASED_NAME: Final = rf"{_UPPER}{_REST}{{0,39}}(?: (?:{_UPPER}|\d){_REST}{{0,39}}){{0,3}}"
_CASELESS_NAME: Final = rf"{_CASELESS}{_REST}{{0,15}}(?: {_REST}{{1,15}})?"
_BRACKETED: Final = r"\[[^\[\]\n:]{1,40}\]|\([^()\n:]{1,40}\)"
_NAME: Final = rf"{_BRACKETED}|{_CASED_NAME}|{_CASELESS_NAME}"
_LABEL: Final = rf"(?P<name>{_NAME})(?::(?=\s|$)|：)"
_MARKER: Final = r">>+|[-–—•*](?=\s)|-(?=[^\W\d])"

SPEAKER: Final = re.compile(rf"(?:{_MARKER})|{_LABEL}")
"""The beginning of a line that starts a speaker's turn: a name (``Élodie:``, ``田中：``, ``[SPEAKER_00]:``), a dash,
or the captioner's ``>>``."""
_TURN: Final = re.compile(rf"(?P<marker>(?:{_MARKER})?)\s*(?:{_LABEL})?\s*")
_MACHINE_NAME: Final = re.compile(r"(?i)[\[(].*[\])]|(?:speaker|spk)[ _-]?\w{1,3}")


@dataclass(frozen=True, slots=True)
class Label:
    """The label before the words of a line: it says whose words they are."""

    marker: str
    """The dash or ``>>`` that says that another person speaks, or an empty text."""
    name: str
    """The name without its colon, or an empty text."""
    length: int
    """The number of characters of marker, name, colon and the white space after them."""

    @property
    def is_machine_made(self) -> bool:
        """Whether a program wrote the name (``[SPEAKER_00]``), so that nobody can have said it."""
        return _MACHINE_NAME.fullmatch(self.name) is not None


def label_of(line: str) -> Label:
    """Return the label that a line begins with; its length is 0 if it has none."""
    match = _TURN.match(line)
    assert match is not None, "each part of it may be empty"
    name = match["name"] or ""
    return Label(match["marker"], name, match.end() if name or match["marker"] else 0)
