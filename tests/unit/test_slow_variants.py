"""What the mark ``slow_variants`` does."""

from __future__ import annotations

import pytest


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", range(3))
def test_all_variants_but_the_first_are_slow(number: int, request: pytest.FixtureRequest) -> None:
    """Each run has the first variant, and ``pytest -m slow`` has the others."""
    assert (request.node.get_closest_marker("slow") is None) == (number == 0)
