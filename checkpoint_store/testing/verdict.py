"""The calls of a script in its runs, and whether they were right."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FINDINGS_SHOWN_MAX: Final = 5
_CHARACTERS: Final = 120

Call = tuple[str, str]
"""The number of the call in its run, and its identity."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The calls of one run."""

    asked: tuple[Call, ...]
    answered: tuple[Call, ...]
    """The calls, in the order of their answers."""
    killed: tuple[str, ...]
    """The calls before whose answer the run was killed; none where the run ended by itself."""

    @classmethod
    def read(cls, log: str) -> Killed:
        """Return the calls of a log; what stands behind the kill, and half a line, does not count."""
        events: list[tuple[str, str, str]] = [
            json.loads(line) for line in log.splitlines(keepends=True) if line[-1] == "\n"
        ]
        of = {
            kind: tuple((number, text) for event, number, text in events if event == kind)
            for kind in ("asked", "answered", "killed")
        }
        return cls(of["asked"], of["answered"], tuple(text for _, text in of["killed"]))

    def lost(self, calls_at_once: int) -> Iterable[str]:
        """Return the calls whose answer the kill may have cost: those in flight, and the answers that came last."""
        in_flight = [text for number, text in self.asked if (number, text) not in set(self.answered)]
        if not self.killed:
            return in_flight  # they raised an error
        late = max(0, calls_at_once - len(in_flight))
        return [*in_flight, *(text for _, text in self.answered[max(0, len(self.answered) - late) :])]


def check(undisturbed: Killed, runs: Sequence[Killed], *, calls_at_once: int, seed: int | None) -> None:
    """Raise AssertionError unless each call was asked for, and none more often than the kills explain."""
    __tracebackhide__ = True
    expected = Counter(text for _, text in undisturbed.asked)
    asked = Counter(text for run in runs for _, text in run.asked)
    lost = Counter(text for run in runs for text in run.lost(calls_at_once))
    again = [text for text in asked if text in expected and asked[text] > expected[text] + lost[text]]
    problems = [
        *_named("was asked for again after it was done", again, asked, runs),
        *_named(
            "is asked for by a run that goes on, and not by the undisturbed run", asked.keys() - expected, asked, runs
        ),
        *_named("was passed over", [text for text in expected if text not in asked], asked, runs),
    ]
    if problems:
        by_chance = "" if seed is None else f" (seed={seed})"
        cost = counted(calls_at_once, "call")
        hint = f"\nA kill may cost {cost}; if the script makes more at a time, say calls_at_once=."
        raise AssertionError(
            f"killed {counted(len(runs) - 1, 'time')}{by_chance}:\n" + "\n".join(problems) + (hint if again else "")
        )


def _named(what: str, texts: Iterable[str], asked: Counter[str], runs: Sequence[Killed]) -> Iterable[str]:
    sorted_texts = sorted(texts)
    for text in islice(sorted_texts, _FINDINGS_SHOWN_MAX):
        where = [number for number, run in enumerate(runs, 1) if any(text == asked_text for _, asked_text in run.asked)]
        times = f", {counted(asked[text], 'time')}, run {', '.join(map(str, where))}" if where else ""
        yield f"  {text[:_CHARACTERS]} {what}{times}"
    if len(sorted_texts) > _FINDINGS_SHOWN_MAX:
        yield f"  and {len(sorted_texts) - _FINDINGS_SHOWN_MAX} more"
