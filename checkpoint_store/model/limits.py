"""Limits for values from any source: an argument, a state file, a row of a store."""

from __future__ import annotations

from typing import Final

CHUNKS_MAX: Final = 1_000_000_000
"""The most chunks of one job: a loop over the number of chunks in a damaged file must come to an end."""
