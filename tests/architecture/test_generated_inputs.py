"""Tests whose inputs are generated."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_no_generated_test_fails_because_the_machine_is_busy() -> None:
    """Neither the time of an example nor that of its making is judged, in any test."""
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
    assert settings(max_examples=3).suppress_health_check == settings().suppress_health_check
