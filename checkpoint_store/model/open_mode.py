"""How a store is opened: what a commit survives, and whether anything may be written."""

from __future__ import annotations

from typing import Final, Literal

Durability = Literal["power-loss", "process"]
"""What a commit survives: a power cut, or the end of the process only."""
READ_ONLY: Final = "this store was opened with read_only=True"
"""Why a call that writes is refused."""
