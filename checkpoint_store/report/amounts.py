"""The cost that a result names, and the sums of the tokens that the results of a job name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from checkpoint_store import CompletionRecord

TOKENS: Final = frozenset(
    ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "total_tokens", "tokens")
)
_AMOUNT_LENGTH_MAX: Final = 64
_AMOUNT_MAX: Final = 1e15


def amount_at(result: Any, path: str) -> float | None:
    """Return the amount at a field or dotted path of a result: a number from 0 to 10^15, or a text that is one."""
    value = result.get(path) if isinstance(result, dict) else None
    if value is None:
        value = result
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else _amount(value)


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and (len(value) > _AMOUNT_LENGTH_MAX or "_" in value or not value.isascii()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= _AMOUNT_MAX else None


@dataclass(slots=True)
class Sums:
    """The highest cost of the results of one job, and the sums of the tokens in the results that it paid for."""

    cost_path: str
    dearest: float | None = None
    tokens: dict[str, float] = field(default_factory=dict)

    def add(self, completion: CompletionRecord, result: Any) -> float | None:
        """Add a result, and return its cost; None if the result names no cost."""
        cost = amount_at(result, self.cost_path)
        if cost is not None:
            self.dearest = cost if self.dearest is None else max(self.dearest, cost)
        if completion.source_job_id is None:
            self._add_tokens(result)
        return cost

    def _add_tokens(self, result: Any) -> None:
        if not isinstance(result, dict):
            return
        inner = result.get("usage")
        named = (inner if isinstance(inner, dict) else {}) | result
        for name in TOKENS & named.keys():
            tokens = _amount(named[name])
            if tokens is not None:
                self.tokens[name] = self.tokens.get(name, 0.0) + tokens
