"""A disk fails one read: SQLite says that the file is malformed, and the store does not, if the next read succeeds."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from checkpoint_store import StoreDamaged
from checkpoint_store.storage.connection import pragmas

if TYPE_CHECKING:
    from conftest import Opener


class FailingReads(sqlite3.Connection):
    """A connection whose next reads of results fail as they do where the disk answers them with EIO."""

    failures: ClassVar[list[str]] = []

    def execute(self, statement: str, /, *values: Any) -> sqlite3.Cursor:
        """Execute a statement, or fail."""
        if FailingReads.failures and "chunk_results" in statement:
            error = sqlite3.DatabaseError(FailingReads.failures.pop())
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # type: ignore[misc]
            raise error
        return super().execute(statement, *values)


@pytest.mark.slow_variants
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_read_that_fails_once_reports_no_damage(
    open_store: Opener,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    read_only: bool,
    failures: int,
) -> None:
    """The read is repeated once, and the log says so; a read that fails again reports damage."""
    open_store().open_job("talk.srt", total_chunks=1).complete(0, "A")
    real = sqlite3.connect
    monkeypatch.setattr(
        pragmas.sqlite3, "connect", lambda *words, **options: real(*words, **options, factory=FailingReads)
    )
    job = open_store(read_only=read_only).job("talk.srt")
    monkeypatch.setattr(FailingReads, "failures", ["database disk image is malformed"] * failures)
    if failures == 1:
        assert list(job.items()) == [(0, "A")]
    else:
        with pytest.raises(StoreDamaged, match="malformed"):
            list(job.items())
    assert caplog.text.count("a read failed, and is repeated once: database disk image is malformed") == 1
