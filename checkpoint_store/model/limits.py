"""What is accepted at most, wherever it comes from: an argument, a state file, a row of a store."""

from __future__ import annotations

from typing import Final

CHUNKS_MAX: Final = 1_000_000_000
"""Chunks of one job. No input has more, and what counts from 0 to a number in a file must come to an end."""
