"""How often the state file is written while a job runs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from checkpoint_store.state_file import pace
from checkpoint_store.state_file.pace import WritingPace


def _bytes_written(monkeypatch: pytest.MonkeyPatch, chunks: int, size_bytes: int, apart_seconds: float) -> list[int]:
    """The size of the file each time that it is written, where writing takes no time."""
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    paced, sizes = WritingPace(), list[int]()
    for number in range(1, chunks + 1):
        clock[0] += apart_seconds
        if paced.is_due("job", clock[0], size_bytes):
            sizes.append(number * size_bytes)
            paced.wrote("job", sizes[-1])
            paced.spent(clock[0], clock[0])
    return sizes


def test_a_small_job_is_followed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each chunk."""
    assert len(_bytes_written(monkeypatch, 20, 1000, 0.1)) == 20


def test_a_large_job_writes_little_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a second and a half a chunk, 2,000 chunks of 4 KB; and the file never shows less than a quarter."""
    sizes = _bytes_written(monkeypatch, 2000, 4000, 1.5)
    assert sum(sizes) <= 1.4 * 2000 * 4000
    assert all(later <= 4 * earlier + 4000 for earlier, later in pairwise(sizes))
    assert sizes[-1] >= 500 * 4000


def test_a_slow_job_is_followed_exactly_as_far_as_its_pace_pays_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of 4 KB in a minute: a megabyte is 240 chunks, half a day."""
    assert len(_bytes_written(monkeypatch, 240, 4000, 60.0)) == 240


@pytest.mark.parametrize("apart_seconds", [1.5, 6.0, 10.0, 30.0])
def test_no_pace_makes_a_job_write_many_times_its_bytes(monkeypatch: pytest.MonkeyPatch, apart_seconds: float) -> None:
    """2,000 chunks of 4 KB, however far apart."""
    assert sum(_bytes_written(monkeypatch, 2000, 4000, apart_seconds)) <= 8 * 2000 * 4000
