"""The notes of begun work in a runner's lock file, while threads begin and end work at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.storage import runner_lock
from checkpoint_store.storage.runner_lock import RunnerLock, begun_by

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_attempt_that_ends_while_the_notes_are_rewritten_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop goes on, and after a kill the lock file still names every attempt whose work had begun."""
    lock = RunnerLock(tmp_path / "talks.db")
    work = [(index, 1) for index in range(runner_lock._SLOT_COUNT - 2)]
    lock.note_begun(work)
    for attempt in work[:-9]:
        lock.done(*attempt)
    slot_of = runner_lock._slot_of

    def slot_while_another_thread_ends_an_attempt(index: int, number: int) -> int:
        lock.done(*work[-9])
        return slot_of(index, number)

    monkeypatch.setattr(runner_lock, "_slot_of", slot_while_another_thread_ends_an_attempt)
    assert lock.note_begun([(1000, 1), (1001, 1)])
    monkeypatch.undo()
    assert lock.note_begun([(1002, 1)])
    begun = begun_by(lock.path).begun
    assert begun is not None
    assert begun >= {*work[-8:], (1000, 1), (1001, 1), (1002, 1)}
    lock.end()
