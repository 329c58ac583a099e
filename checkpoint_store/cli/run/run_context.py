"""What all inputs of one run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoint_store.cli.run.halt import FailureWatch
    from checkpoint_store.cli.run.interrupts import RunInterrupts
    from checkpoint_store.cli.run.limits import RunLimits
    from checkpoint_store.cli.run.several import Files
    from checkpoint_store.cli.run.task_records import Clean
    from checkpoint_store.cli.screen import Screen


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all inputs of one ``run`` share: the cleaner, the limits, the signals, the screen, the failures."""

    clean: Clean
    limits: RunLimits
    interrupts: RunInterrupts
    screen: Screen
    failures: FailureWatch
    files: Files

    @property
    def map_options(self) -> dict[str, Any]:
        """The options of ``Job.map``."""
        ends = {"stop_when": lambda: self.interrupts.requested or self.failures.is_over, "on_pause": "return"}
        return self.limits.options | ends | {"on_event": self.failures.on_event}
