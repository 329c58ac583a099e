"""Tell English text from text of other languages, and the scripts that put no space between words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # the apostrophe of typesetters
_ENGLISH: Final = frozenset(
    "the and that it you your with this are have has had they them their what from would there which think be been not "
    "can could but about know she his her our to of for i we is was who when where how why because should into than "
    "then these those some any just like going let's it's don't i'm hello today yes okay well right very my me us by "
    "do does did were will if or as at on in an".split()
)
# None of these is an English word. "um" is left out: it is what has to be told apart.
_FOREIGN: Final = frozenset(
    "der das dem den des und ist nicht ich ein eine einen einem zu mit von vom er sie wir ihr für auf aus bei nach wie "
    "auch noch nur schon über wenn oder aber dass zum zur sich mir mich dich haus het een van dat niet ik je jij zijn "
    "ook maar det og på som ikke jeg av att och är inte på med til hvad vad le la les et une est dans pour que qui ne "
    "pas sur avec ce cette il elle nous vous je du au aux el los las y una con por para es lo se su al pero más como "
    "não em uma os com do da dos das ao mais foi ele ela eu é di che non per il gli sono con della nel w z na nie się "
    "ja jest to".split()
) - {"do", "to", "con", "per", "as", "on", "me", "in"}
_SHARE_MIN: Final = 0.08


def looks_english(text: str) -> bool:
    """Return whether a text is English; a text without a small English word does not count as English."""
    english, foreign, total = _counts(text)
    return english >= max(1, _SHARE_MIN * total) and english > 2 * foreign


def looks_foreign(text: str) -> bool:
    """Return whether a sentence within an English text is a quotation from another language."""
    english, foreign, _ = _counts(text)
    return foreign > english


def is_foreign(word: str) -> bool:
    """Return whether a word is a small word of another language."""
    return word in _FOREIGN


def _counts(text: str) -> tuple[int, int, int]:
    words = [match[0].lower().replace("’", "'") for match in _WORD.finditer(text)]
    return sum(word in _ENGLISH for word in words), sum(word in _FOREIGN for word in words), len(words)


_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3001-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese, Japanese
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"  # their punctuation, half-width kana
    "\U00020000-\U0003ffff"
)
_WIDE_MARK: Final = re.compile(r"[\u3001-\u3003\u3008-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")
UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
"""A character of a script that puts no space between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""
TOKEN: Final = re.compile(f"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\\S)+")
"""A word; where a script puts no space between words, a character."""
_IDEOGRAPH: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WORDS_PER_IDEOGRAPH: Final = 2 / 3
_WORDS_PER_LETTER: Final = 1 / 3
"""Of a script without spaces: a Chinese word is shorter than one of Thai, or of Japanese in kana."""


def word_count(tokens: Iterable[str]) -> float:
    """Return about how many words the tokens of a text are."""
    return sum(
        _WORDS_PER_IDEOGRAPH if _IDEOGRAPH.match(token) else _WORDS_PER_LETTER if UNSPACED.match(token) else 1.0
        for token in tokens
    )


def joint(before: str, after: str) -> str:
    """Return what stands between two lines that are joined: a space, or nothing within Chinese, Japanese, Thai ….

    Korean puts spaces between words, and so does a line that changes to another script.
    """
    if not before or not after:
        return ""
    if _WIDE_MARK.match(before[-1]) or _WIDE_MARK.match(after[0]):
        return ""
    return "" if UNSPACED.match(before[-1]) and UNSPACED.match(after[0]) else " "
