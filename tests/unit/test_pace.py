"""How often the state file is written while a job runs."""

from __future__ import annotations

import pytest
from each_case import each_case

from checkpoint_store.state_file import pace
from checkpoint_store.state_file.pace import WritingPace

_CHUNK_TEXT_BYTES = 5
"""What a chunk adds to the list of the chunks, which is written each time."""


class _Following:
    """What becomes of a file that is written as its pace allows, where writing takes no time."""

    def __init__(self) -> None:
        self.behind_seconds: list[float] = []
        """After each chunk: for how long it shows less than there is."""
        self.shown_shares: list[float] = []
        self.overhead_bytes = 0
        self.times = 0


def _follow(
    monkeypatch: pytest.MonkeyPatch, chunks: int, size_bytes: int, apart_seconds: float, *, grows: bool = True
) -> _Following:
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    paced, found, shown = WritingPace(), _Following(), 0
    for number in range(1, chunks + 1):
        clock[0] += apart_seconds
        if paced.is_due("job", clock[0], size_bytes):
            besides = number * (_CHUNK_TEXT_BYTES if grows else size_bytes)
            shown = number
            found.times += 1
            found.overhead_bytes += besides
            paced.wrote("job", number * size_bytes, besides)
            paced.spent(clock[0], clock[0])
        found.behind_seconds.append((number - shown) * apart_seconds)
        found.shown_shares.append(shown / number)
    return found


def test_a_small_job_is_followed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state file of a small job is exact after each chunk."""
    assert _follow(monkeypatch, 20, 1000, 0.1).times == 20


def test_a_large_job_is_followed_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 chunks of 4 KB, 1.5 s apart: 5 s and a few more at the end, and little is written besides the results."""
    found = _follow(monkeypatch, 2000, 4000, 1.5)
    assert max(found.behind_seconds) <= 5 + 2000 * _CHUNK_TEXT_BYTES / 512
    assert min(found.shown_shares) >= 0.7
    assert sum(found.shown_shares) / 2000 >= 0.99
    assert found.overhead_bytes <= 0.25 * 2000 * 4000


def test_a_slow_job_is_followed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of 4 KB in a minute, for a day."""
    assert _follow(monkeypatch, 1440, 4000, 60.0).times == 1440


def test_a_large_result_is_shown_at_once_where_little_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of 100 KB, a second apart: never less than half."""
    assert min(_follow(monkeypatch, 50, 100_000, 1.0).shown_shares) >= 0.5


@each_case("apart_seconds", [0.02, 1.5, 6.0, 10.0, 30.0])
def test_a_file_that_cannot_grow_is_written_seldom(monkeypatch: pytest.MonkeyPatch, apart_seconds: float) -> None:
    """2,000 chunks of 4 KB, however far apart: where the platform does not let it grow, it shows half of them or more."""
    found = _follow(monkeypatch, 2000, 4000, apart_seconds, grows=False)
    assert min(found.shown_shares) >= 0.5
    assert found.overhead_bytes <= 8 * 2000 * 4000


@pytest.mark.parametrize("chunks", [2000, 50_000])
def test_small_results_make_no_job_write_the_list_of_its_chunks_all_the_time(
    monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    """Results of 100 bytes, ten in a second: an eighth, and half a KiB a second."""
    found = _follow(monkeypatch, chunks, 100, 0.1)
    assert found.overhead_bytes <= (1 / 8 + 512 / 1000) * chunks * 100 + 64 * 1024 * 20


def test_jobs_that_take_turns_do_not_make_each_other_write_whole_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file changes from one large job to the other once in a minute."""
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    paced, switches, shown = WritingPace(), 0, ""
    for number in range(2000):
        clock[0] += 1.0
        job_id = f"job {number % 2}"
        if paced.is_due(job_id, clock[0], 100_000):
            switches += job_id != shown
            shown = job_id
            paced.wrote(job_id, 8_000_000, 10_000)
            paced.spent(clock[0], clock[0])
    assert 2 <= switches <= 2000 / 60 + 1


def test_a_process_that_was_stopped_while_it_wrote_does_not_wait_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes of Ctrl-Z in the middle of a writing of 20 ms: the next one comes within a minute."""
    monkeypatch.setattr(pace.time, "monotonic", lambda: 0.0)
    paced = WritingPace()
    paced.spent(100.0, 100.02)
    paced.spent(200.0, 800.0)
    assert paced.is_due("job", 860.0, 1000)


def test_a_disk_that_became_slow_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each writing takes twenty seconds, all of them together take no more than their share."""
    monkeypatch.setattr(pace.time, "monotonic", lambda: 0.0)
    paced, moment, times = WritingPace(), 0.0, 0
    while moment < 100_000.0:
        moment += 1.0
        if paced.is_due("job", moment, 100):
            paced.spent(moment, moment + 20.0)
            moment, times = moment + 20.0, times + 1
    assert times * 20.0 < 0.05 * 100_000.0
