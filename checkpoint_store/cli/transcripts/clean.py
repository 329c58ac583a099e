"""The built-in cleaner: it removes by rule what nobody said or meant, offline and deterministically.

The cleaner does only what is safe. It removes the times and the markup of transcripts, noises such as ``[laughter]``,
and in English text "um", "uh", "uhm", "erm" and doubled words of a short list; it joins broken lines and mends spaces.
It sees the whole text, and remembers where each character comes from: a chunk's text is its part of the cleaned whole,
so that the size of the chunks changes nothing.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.languages import is_foreign, joint, looks_english, looks_foreign
from checkpoint_store.cli.transcripts.speakers import SPEAKER
from checkpoint_store.cli.transcripts.times import TracedText, without_times

if TYPE_CHECKING:
    from collections.abc import Iterator

CLEANER_NAME: Final = "built-in 2"
"""The name of the cleaner in a job's config. Raise the number with every change of the rules: results of other rules
belong to another plan."""
ENGLISH: Final = "en"

_FILLER: Final = "[Uu]m|[Uu]h|[Uu]hm|[Ee]rm"
# Words that nobody doubles on purpose. "that that", "had had", "in in", "and and" and "is is" are English.
_NEVER_DOUBLED: Final = "the|an|to|of|our|your|their"
_NOISE: Final = (
    "laughter|laughs?|laughing|chuckles?|chuckling|giggles?|applause|applauding|cheering|clapping|coughs?|coughing|"
    "sighs?|sighing|crosstalk|sniffs?|sneezes?|gasps?"
)
_NOISE_IN_SQUARE_BRACKETS: Final = "music|cheers?|silence|pauses?|noise|static|beep"
_NOISE_CONTEXT: Final = (
    "and|the|in|from|by|audience|crowd|background|playing|plays|continues|soft|upbeat|loud|light|dramatic|gentle|"
    "classical|ambient|long|brief|speaker|speakers|door|bell|stops|starts|fades|ends|out|music|cheers?"
)


def _noise(opening: str, closing: str, noise: str) -> str:
    word = rf"(?:{noise}|{_NOISE_CONTEXT})\b"
    return rf"{opening} ?(?=[^\]\)\n]{{0,80}}\b(?:{noise})\b)(?:{word},? )*{word} ?{closing}"


_NOISE_TAG: Final = re.compile(
    "(?i)"
    + _noise(r"\[", r"\]", f"{_NOISE}|{_NOISE_IN_SQUARE_BRACKETS}")
    + "|"
    + _noise(r"\(", r"\)", f"{_NOISE}|music plays|music playing")
    + r"|[\[(]? ?[♪♫]+ ?[\])]?|\[ *(?:__)? *\]"
)
_TAG: Final = re.compile(
    r"(?i)</?(?:i|b|u|c|font)(?:\.[^\s<>]+)*(?:\s+[\w-]+=[^<>]*)?>|<(?:\d+:)?\d+:\d+[.,]\d+>|\{\\an?\d+\}"
)
_LINE_END: Final = re.compile(r"(?<![^\S\n])[^\S\n]*\n\s*")
_SPACES: Final = re.compile(r"(?:[^\S\n ]|[^\S\n]{2})[^\S\n]*")
"""White space that is no single space already: a text has a hundred thousand single spaces."""
_PASSES: Final = 8
"""No text of a talk takes more passes; only a text that was made to be deep does."""
_BLANKS: Final = re.compile(r"[^\S\n]+")
_OPENING: Final = "[("
_BRACKET: Final = re.compile(r"[\[\]()]")
_SPACE_BEFORE: Final = re.compile(r"(?<=[^\s.,;!?]) +(?=[.,](?:[\s\"'”’)]|$))")
_EMPTY_PARAGRAPH: Final = re.compile(r"(?m)^[ ,.;:…–—-]+$\n*")
_LEADING_MARKS: Final = re.compile(r"(?m)^(?:[,;] *)+")
"""All of them at once: one a pass would take a pass over the whole text for each empty field of a pasted table."""
# Never part of "uh-huh", never "um" in quotation marks, never the UM and the ERM.
_ONE_FILLER: Final = rf"(?:{_FILLER})(?![\w'’\-/\"”)\]]) *(?:(?:,|\.{{2,3}}|…|[—–]) *)?"
_FILLERS: Final = re.compile(rf"(?m)(?:^|(?<=[ \"“(\[—–]))(?:{_ONE_FILLER})+")
_DOUBLED: Final = re.compile(rf"(?<![\w'’-])({_NEVER_DOUBLED})((?: \1)+)(?![\w'’-])")
_WORD: Final = re.compile(r"\w+")
_NEAR: Final = 120
"""The characters on each side of a filler that tell in which language its sentence is."""
_SENTENCE_MARK: Final = re.compile(r"[.!?\n]")


def cleaned(text: str, language: str | None) -> TracedText:
    """Return a text cleaned; see :func:`cleaned_as`."""
    return cleaned_as(text, language)[1]


def cleaned_as(text: str, language: str | None) -> tuple[str | None, TracedText]:
    """Return the language by whose rules a text was cleaned, and the text cleaned.

    The rules are applied until nothing changes: cleaning a clean text changes nothing. ``language`` is what is spoken,
    a tag such as ``en`` or ``de-AT``; None for English where the text looks like it.
    """
    before, traced = text, _without_marks(TracedText.of(text))
    if language is None and looks_english(_tidied(traced, is_english=False).text):
        language = ENGLISH
    is_english = re.split("[-_]", (language or "").strip().lower())[0] == ENGLISH
    for passed in count(1):
        traced = _tidied(traced, is_english=is_english)
        if traced.text == before:
            break
        if passed > _PASSES:
            traced = traced.edited((start, end, " ") for start, end in _noises_around_noises(traced.text))
        before, traced = traced.text, _without_marks(traced)
    return language, traced


def _without_marks(text: TracedText) -> TracedText:
    """Return a text without what nobody said, its lines joined: what is the same in every language."""
    text = _without_tags(without_times(text)).replaced(_NOISE_TAG, " ")
    return text.replaced(_LINE_END, _joined).replaced(_SPACES, " ").stripped()


def _noises_around_noises(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each outermost noise; a noise in it counts as a space: ``[laughter [coughs]]``.

    They go at once, however deep they lie: a pass over the whole text for each level would take quadratic time.
    """
    spans: list[tuple[int, int]] = []
    opened: list[tuple[int, list[str]]] = []  # the place of each bracket, and what stands behind it by now
    last = 0
    for match in _BRACKET.finditer(text):
        if opened:
            opened[-1][1].append(text[last : match.start()])
        last = match.end()
        if match[0] in _OPENING:
            opened.append((match.start(), [match[0]]))
            continue
        start, parts = opened.pop() if opened else (last, [])
        if not _NOISE_TAG.fullmatch(_BLANKS.sub(" ", "".join([*parts, match[0]]))):
            opened.clear()  # a noise has no other brackets in it
            continue
        while spans and spans[-1][0] > start:
            spans.pop()
        spans.append((start, last))
        if opened:
            opened[-1][1].append(" ")
    return spans


def _tidied(text: TracedText, *, is_english: bool) -> TracedText:
    if is_english:
        text = text.edited(_filler_edits(text.text)).replaced(_DOUBLED, lambda match: match[1])
    text = text.replaced(_SPACE_BEFORE, "").replaced(_LEADING_MARKS, "").replaced(_EMPTY_PARAGRAPH, "")
    return text.stripped()


def _without_tags(text: TracedText) -> TracedText:
    """Remove tags that open and close, and the times of words; a lone ``<b>`` may be what somebody talks about."""
    tags = [match[0].lower() for match in _TAG.finditer(text.text)]
    opened = {_tag_name(tag) for tag in tags if not tag.startswith("</")}
    closed = {_tag_name(tag) for tag in tags if tag.startswith("</")}

    def removed(match: re.Match[str]) -> str:
        name = _tag_name(match[0].lower())
        return "" if not name or (name in opened and name in closed) else match[0]

    return text.replaced(_TAG, removed)


def _tag_name(tag: str) -> str:
    """Return ``font`` for ``<font color="red">``; the time of a word and a position in braces have no name."""
    name = re.match(r"</?([a-z]+)", tag)
    return name[1] if name else ""


def _joined(match: re.Match[str]) -> str:
    """Return what stands between two lines: a paragraph ends at an empty line, and before a speaker's turn."""
    text, end = match.string, match.end()
    if match[0].count("\n") > 1 or SPEAKER.match(text, end):
        return "\n\n"
    return joint(text[match.start() - 1 : match.start()], text[end : end + 1])


def _filler_edits(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the removal of each filler and its comma; a word that begins the sentence then is capitalized."""
    last = 0
    for match in _FILLERS.finditer(text):
        start, end = match.span()
        if start < last or not _is_filler(text, match):
            continue
        following = text[end : end + 1]
        if following in {"", "\n", *".!?;:"}:
            while start > last and text[start - 1] in " ,":
                start -= 1
            begins = start == 0 or text[start - 1] in "\n.!?"
            last = end + (begins and following not in {"", "\n"})  # "Um." was a sentence: its end goes too
            yield start, last, ""
        elif match[0][0].isupper():
            last = end + 1
            yield start, last, following.upper()
        else:
            has_comma = text.endswith(", ", last, start)
            last = end
            yield start - 2 * has_comma, end, " " * has_comma


def _is_filler(text: str, match: re.Match[str]) -> bool:
    """Return whether "um" is a filler here: no name (Um Kulthum), and no word of a quoted sentence in German."""
    following = text[match.end() : match.end() + 1]
    if match[0][0].isupper() and match[0].endswith(" ") and following.isupper() and not re.search("[,.…—–]", match[0]):
        return False
    low, high = max(0, match.start() - _NEAR), match.end() + _NEAR
    start = max((mark.end() for mark in _SENTENCE_MARK.finditer(text, low, match.start())), default=low)
    ending = _SENTENCE_MARK.search(text, match.end(), high)
    sentence = text[start : ending.start() if ending else high]
    after = _WORD.match(text, match.end())
    return not looks_foreign(sentence) and not (after and is_foreign(after[0]))
