"""Amounts of money in results, the rule of a budget, and the costs of a job."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from checkpoint_store.errors import InvalidArgumentError, short_repr
from checkpoint_store.model.error_text import describe, links, raised_from
from checkpoint_store.model.service_answer import field_of

if TYPE_CHECKING:
    from collections.abc import Iterator


Cost = str | Callable[[Any], Any]
"""A field of the results, a dotted path (``"usage.cost"``), or a function that returns the cost of a result."""

COST_DEFAULT: Final = "cost"
"""The field that has the cost of a result if nobody names another place."""
AMOUNT_MAX: Final = 1e15
"""A higher amount is a mistake. A sum with it would hide what everything else cost."""
NUMBER_LENGTH_MAX: Final = 64
"""Characters of the longest text that is read as a number."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?P<real>\.[0-9]*)?|\.[0-9]+)(?P<power>[eE][+-]?[0-9]+)?")
_NOT_IN_FIELDS: Final = re.compile('["\0\ud800-\udfff]')
"""The letters that no JSON path of SQLite can have."""
_FIELDS_MAX: Final = 20
_USUAL_COST_FIELDS: Final = ("cost", "cost_usd", "usage.cost")
_CAUSES_MAX: Final = 20
"""The depth to which the causes of an exception are searched: causes may form a circle."""


def is_field(value: object) -> TypeGuard[str]:
    """Whether a value names a field of the results: its name, or a dotted path."""
    return isinstance(value, str) and all(value.split(".")) and not _NOT_IN_FIELDS.search(value)


def checked_cost(cost: object) -> Cost:
    """Return ``cost`` if it is the name of a field of the results, a dotted path or a function; else refuse it."""
    if callable(cost) or is_field(cost):
        return cost
    raise InvalidArgumentError(
        "cost", cost, "is neither a field of the results, nor a dotted path ('usage.cost'), nor a function of a result"
    )


def checked_field(cost: object) -> str:
    """Return ``cost`` if it is the name of a field, or a dotted path; raise as :func:`checked_cost` otherwise."""
    if not isinstance(cost, str):
        raise InvalidArgumentError("cost", cost, "is neither a field of the results, nor a dotted path ('usage.cost')")
    checked_cost(cost)
    return cost


def name_of(cost: Cost) -> str:
    """Return the name of ``cost`` for the text of an error."""
    return cost if isinstance(cost, str) else f"{getattr(cost, '__qualname__', type(cost).__qualname__)}(result)"


def json_paths(field: str) -> list[str]:
    """Return the JSON paths of a field: the path of its whole name, then, for a name with dots, the dotted path."""
    parts = field.split(".")
    return [f'$."{field}"', *(["$" + "".join(f'."{part}"' for part in parts)] if len(parts) > 1 else [])]


def number_in(text: str) -> int | float | None:
    """Return the number that a text stands for ("0.50", as a Decimal is dumped), or None.

    Spaces around it are passed over. Currency signs, group separators, decimal commas, NaN and infinity are no number.
    """
    stripped = text.strip()
    match = _NUMBER.fullmatch(stripped) if len(stripped) <= NUMBER_LENGTH_MAX else None
    if match is None:
        return None
    if match["real"] is None and match["power"] is None and not stripped.lstrip("+-").startswith("."):
        return int(stripped)
    number = float(stripped)
    return number if math.isfinite(number) else None


def amount(value: Any) -> float | None:
    """Return an amount of money from a number from 0 to ``AMOUNT_MAX``, or from its text; None for any other value."""
    if isinstance(value, str):
        value = number_in(value)
    kind = type(value)  # first, because isinstance with Real is slow
    if value is None or kind is bool or not (kind is float or kind is int or isinstance(value, Real | Decimal)):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an integer of 400 digits; a signalling NaN
        return None
    return number if 0 <= number <= AMOUNT_MAX else None


def fields_of(result: object) -> tuple[str, ...]:
    """Return the names of the first twenty fields of a result; a field of an inner object is a dotted path."""
    return tuple(islice(_names(result, ""), _FIELDS_MAX))


def _names(value: object, before: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _names(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def values_at(result: object, field: str) -> list[Any]:
    """Return the value of a field of a result, at its whole name or its dotted path; an empty list where it is not."""
    for names in ([field], field.split(".")):
        value = result
        for name in names:
            if not isinstance(value, dict) or name not in value:
                break
            value = value[name]
        else:
            return [value]
    return []


def cost_in(value: object, cost: Cost) -> float | None:
    """Return the cost of a result in memory, even of a result that no store can keep; None if it cannot be read."""
    if not isinstance(cost, str):
        try:
            return amount(cost(value))
        except Exception:  # a function of the caller's, which expects a result that can be stored
            return None
    whole = _field_of(value, cost)
    return amount(_at_path(value, cost) if whole is None and "." in cost else whole)


def usual_cost_in(result: object) -> float | None:
    """Return the cost of a result from the first of the usual fields that has an amount; None if none of them has."""
    costs = (cost_in(result, field) for field in _USUAL_COST_FIELDS)
    return next((cost for cost in costs if cost is not None), None)


def cost_of_error(error: BaseException, *, depth: int = 0) -> float | None:
    """Return the cost of a failed try: the attribute ``cost`` of its exception, or of what the exception reports."""
    own_cost = amount(field_of(error, "cost"))
    if own_cost is not None or depth > _CAUSES_MAX:
        return own_cost
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [raised_from(error)]
    costs = [cost_of_error(cause, depth=depth + 1) for cause in inner if cause is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def unreadable_cost_of(error: BaseException) -> str | None:
    """Return the cost of an exception, or of an exception that it reports, if that cost is no amount; None otherwise.

    Only a number or a text is a cost. It is returned as a text without secrets.
    """
    for cost in (field_of(link, "cost") for link in links(error)):
        if isinstance(cost, str | Real | Decimal) and amount(cost) is None:
            return short_repr(describe(cost) if isinstance(cost, str) else cost)
    return None


_USAGE: Final = (
    ("total_tokens",),
    ("input_tokens", "output_tokens"),
    ("prompt_tokens", "completion_tokens"),
)
"""The fields of a result, or of its ``usage``, with the number of tokens that a call used."""


def tokens_in(result: object) -> float | None:
    """Return the number of tokens that a call used, from its result; None if the result does not have it."""
    count = _tokens_named_in(result)
    if count is None:
        usage = _field_of(result, "usage")
        count = None if usage is None else _tokens_named_in(usage)
    return count


def _tokens_named_in(holder: object) -> float | None:
    for names in _USAGE:
        first = _field_of(holder, names[0])
        if first is None:
            continue
        counts = [amount(first), *[amount(_field_of(holder, name)) for name in names[1:]]]
        if None not in counts:
            return sum(counts)  # type: ignore[arg-type]
    return None


def _at_path(value: object, path: str) -> object:
    for name in path.split("."):
        value = _field_of(value, name)
    return value


def _field_of(value: object, name: str) -> Any:
    if type(value) is dict or isinstance(value, Mapping):  # the former is quick, and what most results are
        return value.get(name)
    return getattr(value, name, None)


_ROUNDING: Final = 1e-9
"""A sum of costs that exceeds ``max_cost`` by this share only is rounding."""


def in_work_max(priced: int) -> int:
    """Return how many attempts may be in work over all runners, once ``priced`` costs are known.

    The numbers are 1, 2, 2, 4, 4, 4, 4, 8 and so on. A cheap first chunk says little about the next chunks, so the
    number doubles once the costs of all attempts that it allowed are known.
    """
    return 1 << ((priced + 1).bit_length() - 1)


def fits(total: float, max_cost: float) -> bool:
    """Whether a sum of costs stays within a budget, rounding aside."""
    return total <= max_cost * (1 + _ROUNDING)


@dataclass(frozen=True, slots=True)
class Spending:
    """The money that a job has spent at one moment, and the money that its attempts may still spend."""

    spent: float
    """The costs of its results and its failed attempts."""
    reserved: float
    """The reserved costs of attempts in work, and of attempts whose end nobody knows."""
    in_work: int
    """How many attempts with a reservation are in work, over all runners."""
    priced: int
    """How many costs are known."""
    dearest: float
    """The highest known cost: what the next attempt reserves. 0 while none is known."""

    def allows_another(self, max_cost: float) -> bool:
        """Whether one more attempt may start now: few enough are in work, and it fits into the budget."""
        is_free = self.in_work < in_work_max(self.priced)
        return is_free and fits(self.spent + self.reserved + self.dearest, max_cost)


@dataclass(frozen=True, slots=True)
class ChunkAccount:
    """The tries, the time and the cost of one chunk so far, over all runs of its job."""

    attempts: int = 0
    seconds: float | None = None
    """The time of all its tries together; None if no try has ended."""
    failed_cost: float | None = None
    """The cost of its failed tries, and of results that were replaced; None if nobody said."""
    is_carried: bool = False
    """Whether another job paid for the result of the chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCosts:
    """The costs that one job paid, and those that other jobs paid for it. See :meth:`Job.costs`.

    Amounts are in the unit of the results' costs, added up over all runs and runners of the job.
    """

    cost: float | None
    """The costs that this job paid: results, failed tries, replaced results. A budget counts these. None: unknown."""
    carried: float | None
    """The costs that other jobs paid for the results that this job carries, each once. None: no result has a cost."""
    failed_cost: float
    """The part of ``cost`` that tries without a result took."""
    replaced_cost: float
    """The part of ``cost`` that results took which were replaced since."""
    reserved_cost: float
    """The reserved costs, beside ``cost``, of tries in work, and of tries in doubt whose chunks are not complete."""
    dearest_cost: float
    """The highest known cost of one try: what a budget reserves for the next. 0 where none is known."""
    unreadable_chunk: int | None
    """The first chunk (0-based) whose result this job paid for, and whose cost cannot be read; None where all can."""

    def allow_another(self, max_cost: float) -> bool:
        """Return whether a loop with this ``max_cost`` would start a chunk: it fits, and each cost can be read."""
        total = (self.cost or 0.0) + self.reserved_cost + self.dearest_cost
        return self.unreadable_chunk is None and fits(total, max_cost)
