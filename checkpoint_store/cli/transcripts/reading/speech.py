"""Make the text of a talk out of its cues: sorted, each word once, in paragraphs and turns."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.languages import TOKEN, joint, word_count
from checkpoint_store.cli.transcripts.speakers import label_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.cli.transcripts.reading.cue import Cue, Line


_FLASH_MS: Final = 50
_GAP_MS_MAX: Final = 5_000
_TOUCHING_MS: Final = 1
"""Cues that follow each other without a gap; people leave a frame or two between sentences."""
_IDENTICAL: Final = 4
"""If the next cue repeats a text of at least this many words without a gap, the text was rarely said again."""
_IDENTICAL_LONG: Final = 8
"""A shorter text counts as shown again only in a file that repeats more than one cue of a hundred in this way."""
_CUES_PER_REPETITION_MAX: Final = 100
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

    text: str
    word: str
    """The text, without punctuation and capitals."""
    speaker: str
    line: int
    end: int

    def equals(self, other: _Token) -> bool:
        """Return whether both are the same word of the same speaker, as far as a speaker is named."""
        return self.word == other.word and (self.speaker == other.speaker or not self.speaker or not other.speaker)


@dataclass(frozen=True, slots=True)
class _Repetition:
    """The words at the beginning of a cue that an earlier cue shows at its end."""

    cue: Cue
    earlier: Cue
    is_next: bool
    """Whether the cue is the next one behind the earlier cue."""
    count: int
    words: float
    """About how many words these tokens are: a word has some characters where no space stands between the words."""
    count_earlier: int
    has_new_words: bool
    is_exact: bool
    """Whether punctuation and capitals are the same, too: they often differ if somebody says the words again."""

    @property
    def gap_ms(self) -> int:
        """The time between both cues; negative if they overlap."""
        return self.cue.start_ms - self.earlier.end_ms

    @property
    def is_shown_on(self) -> bool:
        """Whether the cue shows a text of some words on, without a gap, and adds nothing to it."""
        is_shown = self.cue.end_ms > self.cue.start_ms and self.gap_ms <= _TOUCHING_MS
        return is_shown and not self.has_new_words and self.is_exact and self.words >= _IDENTICAL


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
        is_again = repetition is not None and styles.is_shown_again(place, repetition, mark)
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
            tokens.append(_Token(match[0], word, speaker, number, match.end()))
    return tokens


def _repetition(screens: list[tuple[Cue, list[_Token]]], filled: list[int], place: int) -> _Repetition | None:
    """Return the longest repetition of one of the cues before; if two are as long, that of the nearer cue."""
    cue, tokens = screens[filled[place]]
    best: _Repetition | None = None
    for index in reversed(filled[max(0, place - _LOOK_BACK) : place]):
        earlier, earlier_tokens = screens[index]
        count = _repeated(earlier_tokens, tokens)
        gap_ms = cue.start_ms - earlier.end_ms
        if (
            gap_ms <= _GAP_MS_MAX
            and count > (best.count if best else 0)
            and (index == filled[place - 1] or count >= _OVERLAP_WORDS_LONG)
        ):
            again = [token.text for token in tokens[:count]]
            is_exact = again == [token.text for token in earlier_tokens[-count:]]
            best = _Repetition(
                cue, earlier, index == filled[place - 1], count, word_count(again), len(earlier_tokens),
                count < len(tokens), is_exact,
            )  # fmt: skip
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
        # A screen whose upper line goes before the next line comes shows the lower line alone, without a gap.
        self._is_again = [
            repetition is not None and (repetition.has_new_words or repetition.gap_ms <= _TOUCHING_MS)
            for repetition in repetitions
        ]
        self._marks_words = marks_words
        count = sum(repetition is not None and repetition.is_shown_on for repetition in repetitions)
        is_rare = count * _CUES_PER_REPETITION_MAX <= len(repetitions)
        self._shown_on_min = _IDENTICAL_LONG if is_rare else _IDENTICAL

    def is_shown_again(self, place: int, repetition: _Repetition, mark: int | None) -> bool:
        """Return whether the repeated words were said once; ``mark`` is the last marked place in the same text."""
        cue, earlier, count, gap_ms = repetition.cue, repetition.earlier, repetition.count, repetition.gap_ms
        shorter, longer = sorted((cue.end_ms - cue.start_ms, earlier.end_ms - earlier.start_ms))
        is_flash = shorter <= _FLASH_MS < longer and abs(gap_ms) <= _FLASH_MS
        if is_flash and repetition.is_exact and repetition.is_next:
            return True
        around = slice(max(1, place - _NEIGHBOURS), place + _NEIGHBOURS + 1)
        growing, again = self._grows[around], self._is_again[around]
        rolls = sum(growing) > 1 and sum(again) >= _SHARE_OF_SHORT * len(again)
        if repetition.has_new_words:
            return rolls or (count >= _OVERLAP_WORDS_LONG and sum(growing) >= _SHARE_OF_LONG * len(growing))
        if self._marks_words and count == repetition.count_earlier and gap_ms <= _MARKED_GAP_MS_MAX:
            if mark is None or cue.marked is None or cue.marked > mark:
                return True
            if cue.marked < mark:
                return False
        is_together = -gap_ms * 2 >= shorter > 0
        return is_together or rolls or (repetition.is_shown_on and repetition.words >= self._shown_on_min)


def _without(cue: Cue, repeated: list[_Token]) -> Cue:
    last = repeated[-1]
    line = cue.lines[last.line]
    rest = dataclasses.replace(line, text=line.text[last.end :].strip(), label="", is_turn=False)
    later_lines = cue.lines[last.line + 1 :]
    return dataclasses.replace(cue, lines=(rest, *later_lines) if rest.text else later_lines)


_PARAGRAPH_GAP_MS: Final = 2_000
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))
"""The Unicode categories of controls, joiners, marks of direction and blanks."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Letters and marks that show nothing: fillers, the blank of Braille, selectors of a form."""


def speech(cues: Iterable[Cue], *, shows_again: bool) -> str:
    """Return the spoken text; a pause of two seconds or another speaker begins a paragraph.

    ``cues`` come in any order. ``shows_again``: the format is one of captions, which may show a word more than once.
    """
    labelled = [
        dataclasses.replace(cue, lines=tuple(map(_labelled_line, cue.lines)))
        for cue in sorted(cues, key=lambda cue: cue.start_ms)
    ]
    once = said_once(labelled) if shows_again else labelled
    paragraphs: list[list[str]] = []
    for text, begins_paragraph in _lines(once, repeats_names=_names_each_cue(labelled)):
        if begins_paragraph or not paragraphs:
            paragraphs.append([text])
        else:
            paragraphs[-1] += (joint(paragraphs[-1][-1], text), text)
    return "\n\n".join("".join(parts) for parts in paragraphs)


def _labelled_line(line: Line) -> Line:
    """Take the name or the dash out of a line that begins with it."""
    label = label_of(line.text)
    if not label.length or (line.speaker and not label.marker):
        return line
    return dataclasses.replace(
        line,
        text=line.text[label.length :],
        label=line.text[: label.length],
        speaker=label.name or line.speaker,
        is_turn=bool(label.marker),
    )


def is_visible(text: str) -> bool:
    """Return whether a text has a visible sign; programs put an invisible sign into a cue that is empty."""
    return any(sign not in _BLANK and unicodedata.category(sign) not in _INVISIBLE for sign in text)


def _names_each_cue(cues: list[Cue]) -> bool:
    """Return whether most cues begin with a name, so that a name need not be said again while nobody else speaks."""
    filled = [cue for cue in cues if cue.lines]
    named = [cue for cue in filled if cue.lines[0].label.rstrip().endswith((":", "："))]  # wide colon
    return len(named) > 1 and 2 * len(named) >= len(filled)


def _lines(cues: list[Cue], *, repeats_names: bool) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it begins a paragraph."""
    end_ms, speaker = 0, ""
    for cue in cues:
        for number, line in enumerate(cue.lines):
            is_other = line.is_turn or line.speaker not in ("", speaker)
            pause = number == 0 and cue.start_ms - end_ms >= _PARAGRAPH_GAP_MS
            text = _with_name(line, is_other=is_other, repeats_names=repeats_names)
            if is_visible(text):
                yield text, pause or is_other
            speaker = line.speaker or ("" if line.is_turn else speaker)
        end_ms = max(end_ms, cue.end_ms)


def _with_name(line: Line, *, is_other: bool, repeats_names: bool) -> str:
    if line.label:
        machine_made = label_of(line.label).is_machine_made
        needless = not is_other and (repeats_names or machine_made)
        return line.text if needless else (line.label + line.text).rstrip()
    return f"{line.speaker}: {line.text}" if is_other and line.speaker and line.text else line.text
