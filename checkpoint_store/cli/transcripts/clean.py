# ruff: noqa: RUF001 - the dashes and quotation marks of transcripts are meant
"""The built-in cleaner: it removes by rule what makes a raw transcript hard to read, offline and deterministically.

The cleaner is cautious. It removes what speakers practically never mean (timestamps, ``[laughter]``, "um", "the the",
broken lines), and keeps what they may mean ("had had", "very very", "ER"). A rule sees at most one paragraph, so that
a chunk is cleaned as it would be within the whole transcript.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.read import SPEAKER

if TYPE_CHECKING:
    from collections.abc import Callable

CLEANER_NAME: Final = "built-in 1"
"""The name of the cleaner in a job's config. Raise the number with every change of the rules: results of other rules
belong to another plan."""

# "er" and "um" are words in German and Portuguese, so each language names its own.
_FILLERS: Final = {
    "en": "u+m+|u+h+m*|erm+|er+|[Mm]hm+",
    "de": "ähm*|öhm*|hm+",
    "fr": "euh+|heu+|hum+",
    "es": "eh+|em+",
}
_FILLERS_ANY_LANGUAGE: Final = "hmm+|mmm+"
_ASIDES: Final = {"en": "you know|I mean"}
# Words that nobody doubles on purpose; "that that", "had had", "very very" and "no no" are not among them.
_STUTTERED: Final = {
    "en": "the|a|an|I|we|he|she|they|and|but|or|of|to|for|with|from|my|your|our|their|this|these|if|was|were|"
    "are|at|by|as",
    "de": "der|die|das|und|ich|wir|ein|eine|zu|mit|von|für|auf|im|in",
    "fr": "le|la|les|et|je|un|une|de|des|du|à|dans|pour|avec",
    "es": "el|la|los|las|y|yo|un|una|de|en|con|por|para|que",
}
_NOISE: Final = (
    "laughter|laughs?|laughing|chuckles?|chuckling|giggles?|music|applause|applauding|cheers?|cheering|clapping|"
    "coughs?|coughing|sighs?|sighing|silence|pause|pauses|noise|static|beep|crosstalk|sniffs?|sneezes?|gasps?"
)
_NOISE_CONTEXT: Final = (
    "and|the|in|from|by|audience|crowd|background|playing|plays|continues|soft|upbeat|loud|light|dramatic|gentle|"
    "classical|ambient|long|brief|speaker|speakers|door|bell|stops|starts|fades|ends|out"
)
_CLOCK: Final = r"\d{1,2}:[0-5]\d:[0-5]\d(?:[.,]\d{1,3})?"
_SHORT_CLOCK: Final = rf"(?:{_CLOCK}|\d{{1,3}}:[0-5]\d(?:[.,]\d{{1,3}})?)"
_CUE: Final = rf"{_SHORT_CLOCK}[^\S\n]*-->[^\S\n]*{_SHORT_CLOCK}[^\n]*"

# A subtitle's number and times, pasted as text: its words run on from the cue before.
_CUES: Final = re.compile(rf"(?m)(?<!\n)\n*(?:^[^\S\n]*\d+[^\S\n]*\n)?^[^\S\n]*{_CUE}$\n?")
_TIMESTAMPS: Final = re.compile(
    rf"\[{_SHORT_CLOCK}\]|\({_CLOCK}\)"
    rf"|(?m:^)[^\S\n]*{_SHORT_CLOCK}[^\S\n]*(?m:$)\n?"  # alone on its line
    rf"|(?m:^)[^\S\n]*{_CLOCK}(?:[^\S\n]*[-–—:])?(?=[^\S\n]+\D)"  # before what was said then
)
_TAG_WORD: Final = rf"(?:{_NOISE}|{_NOISE_CONTEXT})\b"
_NOISE_TAG: Final = re.compile(
    rf"(?i)[\[(] ?(?=[^\])\n]{{0,80}}\b(?:{_NOISE})\b)(?:{_TAG_WORD},? )*{_TAG_WORD} ?[\])]"
    r"|[♪♫]+|(?<!\w)[\[(] *[\])]"
)
_CUT_OFF: Final = re.compile(r"(?<![\w'’-])(?:(?i:(\w+)[-–—]+[ ]+(?=\1(?![\w'’])))|(?i:(\w{2,})[-–—]+[ ]+(?=\2\w)))")
_SPACE_BEFORE: Final = re.compile(r"(?<=[^\s.,;!?]) +([,.;!?])(?=[\s\"'”’)]|$)")
_DOUBLED_MARKS: Final = re.compile(r"([,;])(?:\s*[,;])+")
_LEADING: Final = re.compile(r"(?m)^[,;]\s*")
_PARAGRAPHS: Final = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def cleaner_for(language: str) -> Callable[[str], str]:
    """Return the function that cleans text in ``language`` (a tag such as ``en`` or ``de-AT``).

    A language without rules of its own gets those that hold in any.
    """
    short = re.split("[-_]", language.strip().lower())[0]
    rules = [_without_fillers(short), _without_stutters(short)]

    def clean(text: str) -> str:
        return clean_with(text, rules)

    return clean


def clean_with(text: str, rules: list[Callable[[str], str]]) -> str:
    """Apply the rules until nothing changes, so that cleaning a clean text changes nothing."""
    while True:
        cleaned = _clean_once(text, rules)
        if cleaned == text:
            return text
        text = cleaned


def _clean_once(text: str, rules: list[Callable[[str], str]]) -> str:
    text = _NOISE_TAG.sub(" ", _TIMESTAMPS.sub("", _CUES.sub("\n", text)))
    paragraphs = (_paragraph(part, rules) for part in _PARAGRAPHS.split(_joined_lines(text)))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _joined_lines(text: str) -> str:
    """Join the lines of each paragraph; a speaker's turn begins a paragraph."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    parts: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        starts = not line or not before or SPEAKER.match(line)
        parts.append(("\n\n" if starts else " ") + line)
    return "".join(parts).strip()


def _paragraph(text: str, rules: list[Callable[[str], str]]) -> str:
    for rule in rules:
        text = rule(text)
    text = _SPACE_BEFORE.sub(r"\1", _DOUBLED_MARKS.sub(r"\1", text))
    text = _LEADING.sub("", " ".join(text.split()))
    return text if re.search(r"\w", text) else ""


def _without_fillers(language: str) -> Callable[[str], str]:
    fillers = "|".join(filter(None, (_FILLERS.get(language), _FILLERS_ANY_LANGUAGE)))
    # Written small or with one capital: "UM" and "ER" are names. Never part of "uh-huh" or "um's".
    one = rf"(?:{fillers})(?![\w'’-])\s*(?:(?:,|\.{{2,3}}|…|[—–])\s*)?"
    filler = re.compile(rf"(?:^|(?<=[\s\"“(\[—–]))(?:{one})+", re.IGNORECASE)
    aside = _ASIDES.get(language)
    between = re.compile(rf",\s+(?:{aside}),\s*") if aside else None

    def rule(text: str) -> str:
        text = between.sub(" ", text) if between else text
        return _remove(filler, text)

    return rule


def _remove(filler: re.Pattern[str], text: str) -> str:
    """Remove fillers and the comma before them; capitalize the word that begins the sentence then."""
    output, position = "", 0
    for match in filler.finditer(text):
        word, end = re.split(r"\W", match[0], maxsplit=1)[0], match.end()
        if len(word) > 1 and word.isupper():
            continue
        output += text[position : match.start()]
        following = text[end : end + 1]
        if following in {"", *".!?;:"}:
            output = output.rstrip(" ,")
            end += output.endswith((".", "!", "?")) or not output  # "Um." was a sentence: its end goes too
        elif word[0].isupper():
            output += following.upper()
            end += 1
        elif output.endswith(", "):
            output = output[:-2] + " "
        position = end
    return output + text[position:]


def _without_stutters(language: str) -> Callable[[str], str]:
    doubled = _STUTTERED.get(language)
    again = re.compile(rf"(?<![\w'’-])({doubled})(?:,? +\1)+(?![\w'’-])", re.IGNORECASE) if doubled else None

    def rule(text: str) -> str:
        text = _CUT_OFF.sub("", text)
        return again.sub(r"\1", text) if again else text

    return rule
