"""The package's one log: a line where something was retried, skipped, removed, recovered, migrated or suppressed.

A program that configures no logging sees nothing of it.
"""

from __future__ import annotations

from logging import NullHandler, getLogger
from typing import Final

log: Final = getLogger("checkpoint_store")
log.addHandler(NullHandler())
