"""Say what to install if the extra of the command is missing. This module needs only the standard library."""

from __future__ import annotations

from typing import Final

_MODULES: Final = frozenset({"click", "rich", "charset_normalizer", "semantic_text_splitter"})


def what_to_install(error: Exception) -> str | None:
    """Return what an error of an import says to install, or None for any other error."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if name.partition(".")[0] not in _MODULES:
        return None
    return f"{name} is not installed; the command needs: pip install 'checkpoint-store[cli]'"
