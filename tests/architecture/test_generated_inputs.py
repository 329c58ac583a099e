"""Tests whose inputs are generated."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_no_generated_test_fails_because_the_machine_is_busy() -> None:
    """No generated test is judged by the time that its examples take to make or to run."""
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
    assert settings(max_examples=3).suppress_health_check == settings().suppress_health_check
