"""The rules about the source: one worker reads it for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the rules one after the other, in a worker that parses each file once; else each worker parses the package."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
