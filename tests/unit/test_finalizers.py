"""An interrupt may come before an object is made: its finalizer finds no attribute, and says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.pending import AttemptInHand
from checkpoint_store.loop.map_loop import AsyncMapLoop, MapLoop
from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.shared_lock import SharedLock


@pytest.mark.parametrize("kind", [CheckpointStore, AttemptInHand, MapLoop, AsyncMapLoop, file_lock, SharedLock])
def test_the_finalizer_of_what_was_never_made_says_nothing(kind: Any) -> None:
    """An AttributeError would be printed to the standard error of a program that ends by Ctrl-C."""
    kind.__new__(kind).__del__()
