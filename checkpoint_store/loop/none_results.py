"""A warning at the first None among the results of a loop: most often the function of the loop lacks a ``return``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import ResultIsNone
from checkpoint_store.system.log import log, warn_caller

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.model.records import MapItem


class NoneResults:
    """Warns at the first None of one loop, while most of the chunks are not paid for yet."""

    def __init__(self, state: LoopState) -> None:
        self._state = state
        self._is_warned = False

    def recorded(self, items: Iterable[MapItem]) -> None:
        """Look at results that were recorded. Where warnings are errors, the warning ends the loop."""
        if self._is_warned:
            return
        for item in items:  # no generator: each result of a loop comes here
            if item.result is None:
                self._warn(item.index)
                return

    def _warn(self, index: int) -> None:
        self._is_warned = True
        message = (
            f"job {self._state.job_id}: the function of the loop returned None for chunk {index}, and None is recorded "
            "as the result. If the function lacks a return, mend the function, and have the chunk done again: "
            f"job.redo([{index}]). If None is meant: warnings.simplefilter('ignore', checkpoint_store.ResultIsNone)."
        )
        log.warning("%s", message)
        try:
            warn_caller(message, ResultIsNone)
        except ResultIsNone as error:  # all that is in work is recorded first
            self._state.end_with(error)
