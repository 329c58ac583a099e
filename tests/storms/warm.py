"""Programs that start once and then fork: a killed run costs milliseconds, not the time of an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


def figures_of(children: Children, source: Path, *arguments: object) -> Any:
    """Run a program to its end, however long it takes, and return what its last line says."""
    process = children.start(source, *arguments)
    output, errors = process.communicate(timeout=3000)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])
