"""The settings in which a result differs from its job: names in a JSON text, as ``reuse_ignoring`` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.codec import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_covered(differs_in: str, ignoring: frozenset[str] | None) -> bool:
    """Whether the settings in which a result differs from its job may all be ignored."""
    if ignoring is None:
        return True
    return all(is_ignored(name, ignoring) for name in json_text.decode(differs_in))


def is_ignored(name: str, ignoring: frozenset[str]) -> bool:
    """Whether a setting may differ, because it or what it is in is ignored."""
    return name in ignoring or any(name.startswith(f"{setting}.") for setting in ignoring)


def joined(differs_in: str | None, names: Iterable[str]) -> str | None:
    """Return the settings in which a result differs, with more names, as text; None if it differs in none."""
    before = [] if differs_in is None else json_text.decode(differs_in)
    all_names = sorted({*before, *names})
    return json_text.encode(all_names) if all_names else None
