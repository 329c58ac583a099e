"""Take a store for oneself, from inside of a container; print who has it open. argv: recover, restore …; the store."""

from __future__ import annotations

import sys
from pathlib import Path

from integration.test_in_use import TAKES_IT

from checkpoint_store import StoreInUse

try:
    TAKES_IT[sys.argv[1]](Path(sys.argv[2]), 0.05)
except StoreInUse as error:
    print(error.holders, "of another user, or in another container" in str(error))
