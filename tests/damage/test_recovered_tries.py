"""What a recovery knows of attempts, runners and indices."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Children, program, snapshot

from checkpoint_store import CheckpointStore, CheckpointStoreError, StoreInUse, StoreRecovered
from checkpoint_store.maintenance import doctor, recover_store, restore_store
from checkpoint_store.storage.checks import sqlite_siblings
from checkpoint_store.storage.connection.openings import openings

if TYPE_CHECKING:
    from pathlib import Path
from .recovery_tools import TOTAL, _make, _renumber_chunk


def _make_tries(folder: Path, *, killed: Children | None = None) -> str:
    """Make a store of which chunk 1 failed for good, chunk 2 failed once, chunk 0 is done and chunk 3 was in hand."""
    children = Children(folder) if killed is None else killed
    children.run(
        program(__file__, "make_tries"), "kill" if killed is not None else "close", code=-9 if killed is not None else 0
    )
    children.end_all()
    with CheckpointStore(folder / "copy.db", read_only=True) as store:
        return store.jobs()[0].job_id


def _known(path: Path) -> tuple[list[int], list[int], list[int]]:
    """Return which chunks are failed, in doubt and pending; nobody is left at work on them."""
    with CheckpointStore(path) as store:
        (job,) = store.jobs()
        failed, in_doubt = job.failed_chunks(), job.in_doubt_chunks()
        assert all(record.error == "RuntimeError: never" and record.attempt == 3 for record in failed)
        pending = [chunk.index for chunk in job.pending()]
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT * FROM running_now").fetchall() == []
        assert raw.execute("SELECT count(*) FROM runners WHERE ended_at IS NULL").fetchone() == (0,)
    return [record.chunk_index for record in failed], [record.chunk_index for record in in_doubt], pending


# -- what is known of tries


@pytest.mark.slow
def test_a_recovery_keeps_what_failed_for_good(tmp_path: Path) -> None:
    """A store made anew of its own rows passes over the chunk that failed three times, and counts other attempts."""
    _make_tries(tmp_path)
    report = recover_store(tmp_path / "talks.db")
    assert [job.tries for job in report.jobs] == [None]
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))
    with CheckpointStore(tmp_path / "talks.db") as store:
        (job,) = store.jobs()
        job.fail_chunk(2, "twice")
        job.fail_chunk(2, "three times")
        assert [record.chunk_index for record in job.failed_chunks()] == [1, 2]


def test_a_recovery_after_a_kill_puts_in_doubt_what_was_in_hand(tmp_path: Path, children: Children) -> None:
    """The lock file of a killed runner says which chunk it had begun; nobody is taken to be at work."""
    _make_tries(tmp_path, killed=children)
    assert list(tmp_path.glob("talks.db.runner-*"))
    recover_store(tmp_path / "talks.db")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))
    assert not list(tmp_path.glob("talks.db.runner-*"))


@pytest.mark.slow
def test_a_recovery_from_a_backup_says_that_tries_are_the_backups(tmp_path: Path, children: Children) -> None:
    """What is in hand in a backup is in doubt, its runners have ended, and no later attempt is made up."""
    _make_tries(tmp_path, killed=children)
    for path in (*tmp_path.glob("talks.db*"), *tmp_path.glob("talks.[jb]*")):
        path.unlink()
    (tmp_path / "copy.db").rename(tmp_path / "talks.db.backup-1.2-0009")
    with pytest.warns(StoreRecovered, match=r"tries at its chunks are as the backup talks.db.backup-1.2-0009 has them"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


@pytest.mark.slow
def test_a_recovery_from_a_state_file_says_that_no_try_is_known(tmp_path: Path) -> None:
    """A state file has results and no tries: a failed chunk is tried again, and the report says so."""
    _make_tries(tmp_path)
    for path in tmp_path.glob("talks.db*"):
        path.unlink()
    with pytest.warns(StoreRecovered, match="no copy knows of tries at its chunks"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([], [], list(range(1, TOTAL)))


@pytest.mark.slow
def test_tries_that_do_not_read_stop_no_recovery(tmp_path: Path) -> None:
    """A damaged attempt, or a missing runner, costs no result; the report says that attempts may be missing."""
    _make_tries(tmp_path)
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("UPDATE attempts SET outcome = 'nonsense' WHERE chunk_index = 2")
        raw.execute("DELETE FROM runners")
        raw.commit()
    (job,) = recover_store(tmp_path / "talks.db").jobs
    assert (job.recovered_chunks, job.tries) == (1, "tries at its chunks are as the store file has them")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


@pytest.mark.slow
def test_two_tries_with_one_number_stop_no_recovery(tmp_path: Path) -> None:
    """A flipped bit gives the attempt at chunk 2 to chunk 3: every result comes back, and the report tells of it."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=4)
        job.complete(0, "done")
        for index in (2, 3):
            job.fail_chunk(index, "not done")
    _renumber_chunk(tmp_path / "talks.db", "attempts", job.job_id, 2, 3)
    (report,) = recover_store(tmp_path / "talks.db").jobs
    assert (report.recovered_chunks, report.tries) == (1, "tries at its chunks are as the store file has them")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job.job_id).result(0) == "done"
        assert store.check() == []


@pytest.mark.slow
def test_a_restored_backup_has_nobody_at_work(tmp_path: Path, children: Children) -> None:
    """What was in hand when the copy was made is in doubt and counts for no try, also beside a runner that lives."""
    _make_tries(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        chunks = job.pending()
        in_hand = next(chunks)
        store.backup(tmp_path / "second.db")
        restore_store(tmp_path / "second.db", tmp_path / "other.db")
        assert _known(tmp_path / "other.db") == ([1], [2, 3], list(range(2, TOTAL)))
        in_hand.complete("still in hand here")
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw:
        assert raw.execute("SELECT sum(counted) FROM attempts WHERE outcome = 'abandoned'").fetchone() == (0,)


@pytest.mark.slow
def test_a_runner_at_work_is_not_restored_over(tmp_path: Path, children: Children) -> None:
    """A restore is refused while a runner lives, even if only its lock file shows that it lives."""
    _make_tries(tmp_path)
    before = (tmp_path / "talks.db").read_bytes()
    runner = children.start(program(__file__, "hold_runner_lock"))
    children.next_line(runner)
    with pytest.raises(StoreInUse, match=f"process {runner.pid} has it open"):
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db", lock_timeout_seconds=0.1)
    assert (tmp_path / "talks.db").read_bytes() == before
    runner.kill()
    runner.wait()
    restore_store(tmp_path / "copy.db", tmp_path / "talks.db")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


@pytest.mark.slow
def test_check_and_doctor_look_at_tries_and_lock_files(tmp_path: Path) -> None:
    """The check and doctor name an attempt at a chunk that does not exist, and a lock file that others can read."""
    _make_tries(tmp_path)
    path = tmp_path / "talks.db"
    stray = tmp_path / "talks.db.runner-0123456789ab"
    stray.write_bytes(b"")
    stray.chmod(0o644)
    (tmp_path / "talks.lock").chmod(0o644)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE attempts SET chunk_index = 99 WHERE chunk_index = 2")
        raw.commit()
    found = {finding.what: finding for finding in doctor(path)}
    assert found["contents"].level == "problem"
    assert "99" in found["contents"].says
    assert found["permissions"].level == "warning"
    assert "talks.lock is 0644, talks.db.runner-0123456789ab is 0644" in found["permissions"].says
    assert "left by a run that did not end cleanly" in found["runner locks"].says
    with CheckpointStore(path) as store:
        assert [(problem.what, problem.chunk_index) for problem in store.check()] == [("attempt", 99)]
    assert not stray.exists()


@pytest.mark.slow
def test_a_log_is_judged_while_nobody_in_this_process_opens_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    """The WAL is read without locks, and closing it drops no lock of a connection of another thread."""
    _make(tmp_path, done=5)
    (tmp_path / "talks.db-wal").write_bytes(b"\0" * 100)
    judge, entered = sqlite_siblings.reason_foreign, threading.Event()

    def slowly(path: Path) -> str | None:
        def enter() -> None:
            openings.enter(path)
            entered.set()
            openings.leave(path)

        threading.Thread(target=enter).start()
        assert not entered.wait(0.2)
        return judge(path)

    monkeypatch.setattr(sqlite_siblings, "reason_foreign", slowly)
    CheckpointStore(tmp_path / "talks.db").close()
    assert entered.wait(5)


@pytest.mark.parametrize("kind", ["symlink", "folder"])
def test_what_stands_in_a_lock_files_place_is_not_touched(tmp_path: Path, kind: str) -> None:
    """A symlink named like a runner's lock file is not followed, nor emptied, nor removed with what it points at."""
    _make(tmp_path, done=3)
    target, stray = tmp_path / "precious", tmp_path / "talks.db.runner-0123456789ab"
    target.write_text("of someone else")
    stray.symlink_to(target) if kind == "symlink" else stray.mkdir()
    before = snapshot(tmp_path)["precious"]
    with suppress(CheckpointStoreError), CheckpointStore(tmp_path / "talks.db") as store:
        list(store.jobs()[0].pending())
    assert snapshot(tmp_path)["precious"] == before
    stray.unlink() if kind == "symlink" else stray.rmdir()
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("index", ["ix_jobs_file_name ON jobs (model)", "ix_attempts_running ON attempts (number)"])
def test_an_index_without_its_rows_is_noticed_on_opening(tmp_path: Path, index: str) -> None:
    """A job, or a claim, that is there and not found would be begun again: no digest sees that, the structure does."""
    _make_tries(tmp_path)
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        name = index.partition(" ")[0]
        raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (f"CREATE INDEX {index}", name))
        raw.commit()
    with pytest.warns(StoreRecovered, match=r"missing from index|wrong # of entries"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


@pytest.mark.slow
def test_a_bad_page_costs_the_results_on_it_and_no_others(tmp_path: Path) -> None:
    """Reading goes on behind a page that cannot be read."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=60)
        job.complete_many((index, f"<{index}> " + "x" * 3000) for index in range(60))
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    content = bytearray((tmp_path / "talks.db").read_bytes())
    page = content.index(b"<30> ") // 1024 * 1024
    content[page : page + 1024] = b"\xa5" * 1024
    (tmp_path / "talks.db").write_bytes(content)
    (report,) = recover_store(tmp_path / "talks.db", accept_loss=True).jobs
    assert 48 <= report.recovered_chunks < 60  # a page holds the beginnings of ten results
    assert report.lost_chunks == 60 - report.recovered_chunks
