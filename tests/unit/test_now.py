"""The present moment as a store writes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from each_case import each_case

from checkpoint_store.model import clock

if TYPE_CHECKING:
    import pytest

MOMENTS = ["1970-01-01T00:00:00.000+00:00", "1999-12-31T23:59:59.999+00:00", "2026-11-27T12:00:00.007+00:00"]


@each_case("moment", [*MOMENTS, "2026-11-27T12:00:00.999+00:00", "2400-02-29T00:00:01.500+00:00"])
def test_now_is_the_time_of_the_clock_to_the_millisecond(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Whatever the clock says, also twice within one second, is written in UTC with three digits of a second."""
    wanted = datetime.fromisoformat(moment)
    for later in (timedelta(), timedelta(milliseconds=1), timedelta(seconds=1)):
        shown = wanted + later
        nanoseconds = (shown - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000 + 999_999
        monkeypatch.setattr(time, "time_ns", lambda at=nanoseconds: at)
        assert clock.now() == shown.isoformat(timespec="milliseconds").replace("+00:00", "Z")
