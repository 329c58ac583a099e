"""The chunks and attempts of a job as columns of numbers: a page holds a hundred thousand of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store import AttemptRecord, CompletionRecord

_LETTERS: Final = {"completed": "c", "failed": "f", "abandoned": "a", "running": "r"}
_DIGITS: Final = 4
"""How many significant digits of a number of seconds the page has."""


def milliseconds(moment: str) -> int:
    """Return an ISO 8601 moment as milliseconds since 1970, UTC."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


class TextTable:
    """Texts that occur often, each stored once: a column holds the position of a text in the table."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._positions: dict[str, int] = {}

    def position_of(self, text: str | None) -> int:
        """Return the position of a text in ``texts``; -1 for None."""
        if text is None:
            return -1
        position = self._positions.setdefault(text, len(self.texts))
        if position == len(self.texts):
            self.texts.append(text)
        return position


class Completions:
    """The columns of the completed chunks: the time of completion, the cost, and the job that paid."""

    def __init__(self, origin_ms: int) -> None:
        self._origin_ms = origin_ms
        self._sources = TextTable()
        self._columns: dict[str, list[Any]] = {name: [] for name in ("index", "at", "cost", "source")}

    def add(self, completion: CompletionRecord, cost: float | None) -> None:
        """Add a completed chunk. Add the chunks in the order of their indices."""
        self._columns["index"].append(completion.chunk_index)
        self._columns["at"].append(milliseconds(completion.completed_at) - self._origin_ms)
        self._columns["cost"].append(cost)
        self._columns["source"].append(self._sources.position_of(completion.source_job_id))

    def as_json(self) -> dict[str, Any]:
        """Return the columns, except those without content."""
        columns = dict(self._columns)
        if not self._sources.texts:
            del columns["source"]
        if not any(cost is not None for cost in columns["cost"]):
            del columns["cost"]
        return columns | {"sources": self._sources.texts}


def attempt_columns(attempts: Iterable[AttemptRecord], origin_ms: int) -> dict[str, Any]:
    """Return attempts, by chunk and number, as columns. Times count in milliseconds from ``origin_ms`` on."""
    errors = TextTable()
    columns: dict[str, list[Any]] = {
        name: [] for name in ("index", "number", "start", "seconds", "error", "cost", "runner")
    }
    outcomes, flags = [], []
    for attempt in attempts:
        columns["index"].append(attempt.chunk_index)
        columns["number"].append(attempt.attempt)
        columns["start"].append(milliseconds(attempt.started_at) - origin_ms)
        columns["seconds"].append(None if attempt.seconds is None else float(f"{attempt.seconds:.{_DIGITS}g}"))
        columns["error"].append(errors.position_of(attempt.error))
        columns["cost"].append(attempt.cost)
        columns["runner"].append(attempt.runner)
        outcomes.append(_LETTERS[attempt.outcome])
        flags.append("1" if attempt.counted else "0")
    return columns | {"outcome": "".join(outcomes), "counted": "".join(flags), "errors": errors.texts}
