"""The package's one logger. It is silent until the host program configures logging."""

from __future__ import annotations

from logging import NullHandler, getLogger
from typing import Final

log: Final = getLogger("checkpoint_store")

if not any(isinstance(handler, NullHandler) for handler in log.handlers):
    log.addHandler(NullHandler())
