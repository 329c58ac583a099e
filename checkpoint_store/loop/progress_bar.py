"""The live bar of ``progress=True``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from checkpoint_store.errors import MissingExtra

if TYPE_CHECKING:
    from checkpoint_store.execution.execution import JobExecution

_EVERY_SECONDS: Final = 0.5


class Bar(Protocol):
    """What a loop tells of itself."""

    def show(self, cost: float | None, *, at_once: bool = False) -> None:
        """Something has changed; ``cost`` is that of the job so far, where its results carry one."""

    def close(self) -> None:
        """The loop has ended."""


class NoBar:
    """Nobody watches."""

    def show(self, cost: float | None, *, at_once: bool = False) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


def need_tqdm() -> Any:
    """Return the bar's class.

    Raises:
        MissingExtra: tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("tqdm", "progress", "progress=True") from missing
    return tqdm


class LiveBar:
    """A bar of tqdm's, in a terminal or a notebook: it begins at what is done, and its rate is that of this run."""

    def __init__(self, execution: JobExecution) -> None:
        self._execution = execution
        job = execution.record()
        self._bar: Any = need_tqdm()(
            total=job.total_chunks, initial=job.completed_count, unit="chunk", desc=job.file_name
        )
        self._shown_at = 0.0
        self._cost: float | None = None
        self.show(None, at_once=True)

    def show(self, cost: float | None, *, at_once: bool = False) -> None:
        """Take over where the job stands, other runners' work included, twice a second at most."""
        self._cost = self._cost if cost is None else cost
        moment = time.monotonic()
        if not at_once and moment - self._shown_at < _EVERY_SECONDS:
            return
        self._shown_at = moment
        self._bar.n = self._execution.progress().completed_chunks
        failed, in_doubt = self._execution.failure_counts()
        told: dict[str, object] = {} if self._cost is None else {"cost": f"{self._cost:.4g}"}
        told |= {name: count for name, count in (("failed", failed), ("in doubt", in_doubt)) if count}
        self._bar.set_postfix(told, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it stands now."""
        self.show(None, at_once=True)
        self._bar.close()
