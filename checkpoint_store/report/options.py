"""The options of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT_BYTES_MAX: Final = 16 * 1024 * 1024
ROWS_MAX: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a report: what it shows, and how much of it. See :func:`checkpoint_store.report.write`."""

    inputs: Mapping[str, Iterable[Any]] | None = None
    """The chunks of jobs, by job id or file name; a mapping of keys to chunks counts by its values."""
    cost: str = "cost"
    """The field of the results, or the dotted path, that holds the cost."""
    text_bytes_max: int = TEXT_BYTES_MAX
    """How much text of results and inputs the page holds, in bytes of JSON."""
    rows_max: int = ROWS_MAX
    """How many completed chunks and attempts the page tells one by one."""

    def __post_init__(self) -> None:
        """Check the values of the options.

        Raises:
            InvalidArgumentError: an option has a value that it cannot have; the error names the option.
        """
        cost: object = self.cost
        if not isinstance(cost, str) or '"' in cost or not all(cost.split(".")):
            raise InvalidArgumentError("cost", self.cost, "is neither a field of the results, nor a dotted path")
        for name in ("text_bytes_max", "rows_max"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise InvalidArgumentError(name, value, "is not a whole number from 0")
        if self.inputs is not None and not isinstance(self.inputs, Mapping):
            raise InvalidArgumentError("inputs", ..., "is no mapping of job ids or file names to chunks")
