"""Read each word of captions once, even if the captions show it more than once.

Live captions roll up: each cue repeats the last lines of the cue before and adds a line. Other captions grow word by
word, mark one word after the other (Whisper's ``--highlight_words``), or show a cue twice. Speakers repeat themselves,
too. So a repetition counts as shown again only where it cannot be speech (both cues are on the screen together, or one
flashes up), or where the cues around it repeat as well. In doubt both are read: a word too many is better than a word
too few.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.scripts import TOKEN

if TYPE_CHECKING:
    from checkpoint_store.cli.transcripts.reading.cue import Cue

_FLASH_MS: Final = 50
_GAP_MS_MAX: Final = 5_000
_TOUCHING_MS: Final = 1
"""Cues that follow each other without a gap; people leave a frame or two between sentences."""
_IDENTICAL: Final = 4
"""If the next cue repeats a text of at least this many words without a gap, the text was rarely said again."""
_MARKED_GAP_MS_MAX: Final = 2_000
_LOOK_BACK: Final = 3
"""The number of cues before a cue that may still be on the screen."""
_NEIGHBOURS: Final = 4
_SCREEN_ROWS_MAX: Final = 15
"""The rows of a screen (CEA-608), of which live captions roll up. A longer cue is compared as a whole, too."""
_OVERLAP_WORDS_LONG: Final = 3
"""A repetition of at least this many words is rarely spoken."""
_SHARE_OF_LONG: Final = 0.3
_SHARE_OF_SHORT: Final = 0.5
_EDGES: Final = re.compile(r"^\W+|(?<!\W)\W+$")


@dataclass(frozen=True, slots=True)
class _Token:
    """A word and its place in a cue."""

    word: str
    speaker: str
    line: int
    end: int

    def equals(self, other: _Token) -> bool:
        """Return whether both are the same word of the same speaker, as far as a speaker is named."""
        return self.word == other.word and (self.speaker == other.speaker or not self.speaker or not other.speaker)


@dataclass(frozen=True, slots=True)
class _Repetition:
    """The words at the beginning of a cue that an earlier cue shows at its end."""

    earlier: Cue
    count: int
    count_earlier: int
    has_new_words: bool


def said_once(cues: list[Cue]) -> list[Cue]:
    """Return the cues, in order, without the lines and words that are only shown again."""
    screens = [(cue, _tokens(cue)) for cue in cues]
    filled = [index for index, (_, tokens) in enumerate(screens) if tokens]
    repetitions = [_repetition(screens, filled, place) for place in range(len(filled))]
    styles = _Styles(repetitions, marks_words=_marks_words(screens, filled))
    result = list(cues)
    mark: int | None = None
    for place, index in enumerate(filled):
        cue, tokens = screens[index]
        repetition = repetitions[place]
        is_again = repetition is not None and styles.is_shown_again(place, cue, repetition, mark)
        mark = cue.marked if cue.marked is not None or not is_again else mark
        if repetition is not None and is_again:
            result[index] = _without(cue, tokens[: repetition.count])
    return result


def _tokens(cue: Cue) -> list[_Token]:
    tokens, speaker = [], ""
    for number, line in enumerate(cue.lines):
        speaker = line.speaker or speaker
        for match in TOKEN.finditer(line.text):
            word = _EDGES.sub("", match[0]).casefold() or match[0]
            tokens.append(_Token(word, speaker, number, match.end()))
    return tokens


def _repetition(screens: list[tuple[Cue, list[_Token]]], filled: list[int], place: int) -> _Repetition | None:
    """Return the longest repetition of one of the cues before; if two are as long, that of the nearer cue."""
    cue, tokens = screens[filled[place]]
    best: _Repetition | None = None
    for index in reversed(filled[max(0, place - _LOOK_BACK) : place]):
        earlier, earlier_tokens = screens[index]
        count = _repeated(earlier_tokens, tokens)
        is_near = cue.start_ms - earlier.end_ms <= _GAP_MS_MAX
        if (
            is_near
            and count > (best.count if best else 0)
            and (index == filled[place - 1] or count >= _OVERLAP_WORDS_LONG)
        ):
            best = _Repetition(earlier, count, len(earlier_tokens), count < len(tokens))
    return best


def _repeated(earlier: list[_Token], tokens: list[_Token]) -> int:
    """Return the number of first words that are the last lines of the earlier cue: whole lines, as many as possible."""
    starts = [index for index, token in enumerate(earlier) if not index or earlier[index - 1].line != token.line]
    for start in (*starts[:1], *starts[1:][-_SCREEN_ROWS_MAX:]):
        count = len(earlier) - start
        if count <= len(tokens) and all(a.equals(b) for a, b in zip(earlier[start:], tokens, strict=False)):
            return count
    return 0


def _marks_words(screens: list[tuple[Cue, list[_Token]]], filled: list[int]) -> bool:
    """Return whether the file marks one word after the other in cues that are the same otherwise."""
    mark, text = None, ""
    for index in filled:
        cue = screens[index][0]
        if cue.text == text and cue.marked is not None and mark is not None and cue.marked > mark:
            return True
        mark, text = (mark if cue.marked is None and cue.text == text else cue.marked), cue.text
    return False


class _Styles:
    """How the captions of a file are shown, around each cue."""

    def __init__(self, repetitions: list[_Repetition | None], *, marks_words: bool) -> None:
        self._grows = [repetition is not None and repetition.has_new_words for repetition in repetitions]
        self._marks_words = marks_words

    def is_shown_again(self, place: int, cue: Cue, repetition: _Repetition, mark: int | None) -> bool:
        """Return whether the repeated words were said once; ``mark`` is the last marked place in the same text."""
        earlier, count = repetition.earlier, repetition.count
        gap = cue.start_ms - earlier.end_ms
        flashes = min(cue.end_ms - cue.start_ms, earlier.end_ms - earlier.start_ms) <= _FLASH_MS
        if flashes and abs(gap) <= _FLASH_MS:
            return True
        repeats_around, share = self._around(place)
        rolls = share >= _SHARE_OF_SHORT and repeats_around > 1
        if repetition.has_new_words:
            return rolls or (count >= _OVERLAP_WORDS_LONG and share >= _SHARE_OF_LONG)
        if self._marks_words and count == repetition.count_earlier and gap <= _MARKED_GAP_MS_MAX:
            if mark is None or cue.marked is None or cue.marked > mark:
                return True
            if cue.marked < mark:
                return False
        shorter = min(cue.end_ms - cue.start_ms, earlier.end_ms - earlier.start_ms)
        is_together = -gap * 2 >= shorter > 0
        return is_together or rolls or (count >= _IDENTICAL and gap <= _TOUCHING_MS)

    def _around(self, place: int) -> tuple[int, float]:
        """Return how many cues around a cue repeat and add words, and their share."""
        window = self._grows[max(1, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
        return sum(window), sum(window) / len(window)


def _without(cue: Cue, repeated: list[_Token]) -> Cue:
    last = repeated[-1]
    line = cue.lines[last.line]
    rest = dataclasses.replace(line, text=line.text[last.end :].strip(), label="", is_turn=False)
    later_lines = cue.lines[last.line + 1 :]
    return dataclasses.replace(cue, lines=(rest, *later_lines) if rest.text else later_lines)
