"""A disk fails one read: SQLite says that the file is malformed, and the store does not, if the next read succeeds."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from checkpoint_store import StorageUnavailableError, StoreDamaged
from checkpoint_store.storage.connection import pragmas

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


class FailingReads(sqlite3.Connection):
    """A connection whose next reads fail as they do where the disk answers them with EIO."""

    failures: ClassVar[list[str]] = []
    in_statements: ClassVar[tuple[str, ...]] = ("chunk_results",)
    """What the statements that fail have in them."""

    def execute(self, statement: str, /, *values: Any) -> sqlite3.Cursor:
        """Execute a statement, or fail."""
        if FailingReads.failures and any(words in statement for words in FailingReads.in_statements):
            error = sqlite3.DatabaseError(FailingReads.failures.pop())
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # type: ignore[misc]
            raise error
        return super().execute(statement, *values)


MALFORMED = "database disk image is malformed"


def _let_connections_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(
        pragmas.sqlite3, "connect", lambda *words, **options: real(*words, **options, factory=FailingReads)
    )


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
    _let_connections_fail(monkeypatch)
    job = open_store(read_only=read_only).job("talk.srt")
    monkeypatch.setattr(FailingReads, "failures", [MALFORMED] * failures)
    if failures == 1:
        assert list(job.items()) == [(0, "A")]
    else:
        with pytest.raises(StoreDamaged, match="malformed"):
            list(job.items())
    assert caplog.text.count("a read failed, and is repeated once: database disk image is malformed") == 1


@pytest.mark.slow_variants
@pytest.mark.parametrize("failures", [1, 3])
def test_a_write_that_meets_a_failed_read_reports_no_damage(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """If the whole file reads again, the error says to repeat the call; if it does not, it reports damage."""
    _let_connections_fail(monkeypatch)
    job = open_store().open_job("talk.srt", total_chunks=1)
    monkeypatch.setattr(FailingReads, "in_statements", ("UPDATE jobs", "integrity_check"))
    monkeypatch.setattr(FailingReads, "failures", [MALFORMED] * failures)
    if failures == 1:
        with pytest.raises(StorageUnavailableError, match=r"reads all of it now.*repeat the call"):
            job.set_metadata({"owner": "Ana"})
    else:  # the check of the whole file fails, too, and so does its repetition
        with pytest.raises(StoreDamaged, match="malformed"):
            job.set_metadata({"owner": "Ana"})
    job.set_metadata({"owner": "Ana"})
    assert job.metadata == {"owner": "Ana"}


@pytest.mark.slow_variants
@pytest.mark.parametrize("check", ["backup", "check", "open"])
def test_a_check_that_meets_a_failed_read_is_repeated(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, check: str
) -> None:
    """A backup is made, a check finds nothing, and an open recovers nothing, where the disk failed one read."""
    store = open_store()
    store.open_job("talk.srt", total_chunks=1).complete(0, "A")
    _let_connections_fail(monkeypatch)
    monkeypatch.setattr(FailingReads, "in_statements", ("integrity_check",))
    monkeypatch.setattr(FailingReads, "failures", [MALFORMED])
    if check == "backup":
        store.backup(tmp_path / "copy.db")
    elif check == "check":
        store.close()
        assert open_store(read_only=True).check() == []
    else:
        store.close()
        assert open_store().recovery is None
    assert FailingReads.failures == []
    assert "is repeated once" in caplog.text
