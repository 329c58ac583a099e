"""A trigger that somebody put into a store file: nothing that it swallows is acknowledged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from migration import make_dump

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered, doctor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store import Job

SWALLOWING = {
    "result": "CREATE TRIGGER evil BEFORE INSERT ON chunk_results BEGIN SELECT RAISE(IGNORE); END",
    "chunk": "CREATE TRIGGER evil BEFORE INSERT ON completed_chunks BEGIN SELECT RAISE(IGNORE); END",
    "count": "CREATE TRIGGER evil BEFORE UPDATE ON jobs BEGIN SELECT RAISE(IGNORE); END",
    "deletes it again": (
        "CREATE TRIGGER evil AFTER INSERT ON completed_chunks BEGIN "
        "DELETE FROM completed_chunks WHERE job_id = NEW.job_id AND chunk_index = NEW.chunk_index; END"
    ),
    "writes another row in its place": (
        "CREATE TRIGGER evil BEFORE INSERT ON completed_chunks BEGIN "
        "INSERT INTO pauses (job_id, asked_at) VALUES (NEW.job_id, ''); SELECT RAISE(IGNORE); END"
    ),
}
swallowing = pytest.mark.parametrize("trigger", SWALLOWING.values(), ids=list(SWALLOWING))
WAYS: dict[str, Callable[[Job], Any]] = {
    "one": lambda job: job.complete(1, "paid for"),
    "many": lambda job: job.complete_many([(1, "paid for"), (2, "paid for")]),
    "more than a statement takes": lambda job: job.complete_many([(index, "paid for") for index in range(1, 150)]),
    "without a result": lambda job: job.complete_many([(1, None), (2, "paid for")]),
    "again": lambda job: job.complete_many([(0, "paid for"), (1, "paid for")]),
    "the last": lambda job: job.complete_many([(index, "paid for") for index in range(1, 200)]),
    "claimed": lambda job: next(iter(job.pending())).complete("paid for"),
    "loop": lambda job: list(job.map(lambda index: "paid for")),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of a job with one completed chunk, closed."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=200).complete(0, "paid for")
    return tmp_path / "talks.db"


def plant(path: Path, trigger: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as raw:
        raw.execute(trigger)


@pytest.mark.slow_variants
@swallowing
@pytest.mark.parametrize("way", WAYS)
def test_what_a_trigger_swallows_is_not_acknowledged(path: Path, trigger: str, way: str) -> None:
    """``complete`` checks what it changed, so it acknowledges nothing that a trigger swallows."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.jobs()[0]
        plant(path, trigger)
        with pytest.raises(StoreDamaged, match="trigger"):
            WAYS[way](job)
        plant(path, "DROP TRIGGER evil")


@pytest.mark.slow_variants
@swallowing
def test_a_trigger_is_found_at_opening_as_damage(path: Path, trigger: str) -> None:
    """Opening a store with a trigger makes it anew of all that it holds; ``check`` and ``doctor`` name the trigger."""
    plant(path, trigger)
    with CheckpointStore(path, read_only=True) as store:
        assert [problem.what for problem in store.check()] == ["trigger evil"]
    assert any("trigger evil" in finding.says for finding in doctor(path) if finding.level == "problem")
    with pytest.warns(StoreRecovered, match="it has a trigger 'evil'"):
        CheckpointStore(path).close()
    with CheckpointStore(path) as store:
        job = store.jobs()[0]
        job.complete(1, "paid for")
        assert dict(job.items()) == {0: "paid for", 1: "paid for"}
        assert store.check() == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("dump", sorted(make_dump.DUMPS.glob("*.sql")), ids=lambda dump: dump.stem)
def test_a_store_of_an_older_schema_loses_its_trigger(dump: Path, tmp_path: Path) -> None:
    """Opening a store of any schema with a trigger makes it anew of all that it holds; no upgrade fails for ever."""
    path = tmp_path / "older.db"
    make_dump.load(dump.read_text(encoding="utf-8"), path)
    plant(path, SWALLOWING["count"])
    with pytest.warns(StoreRecovered, match="it has a trigger 'evil'"):
        CheckpointStore(path).close()
    with CheckpointStore(path) as store:
        assert len(store.jobs()) >= 3
        assert store.check() == []


def test_a_merge_of_an_older_store_with_a_trigger_names_that_store(path: Path, tmp_path: Path) -> None:
    """The error of a merge names the damaged store, not the copy that the merge made of it and removed."""
    older = tmp_path / "older.db"
    make_dump.load((make_dump.DUMPS / "1_2.sql").read_text(encoding="utf-8"), older)
    plant(older, SWALLOWING["count"])
    with CheckpointStore(path) as store, pytest.raises(StoreDamaged, match="Mend it first") as caught:
        store.merge(older)
    assert caught.value.path == str(older)


def test_an_attempt_that_is_gone_refuses_no_result(path: Path) -> None:
    """A completion is recorded whole even if the row of its attempt is gone."""
    with CheckpointStore(path) as store:
        job = store.jobs()[0]
        chunk = next(iter(job.pending()))
        plant(path, "DELETE FROM attempts")
        chunk.complete("paid for")
        assert job.result(1) == "paid for"


def test_a_try_that_was_in_vain_is_no_trigger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rollback journal, a completion that is rolled back and done again after a wait for readers counts once."""
    monkeypatch.setattr("checkpoint_store.storage.connection.pragmas.journal_mode_for", lambda path: "truncate")
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=4)
        with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
            waits = []

            def wait(seconds: float) -> None:
                waits.append(seconds)
                if len(waits) == 3:
                    reader.execute("COMMIT")

            monkeypatch.setattr("checkpoint_store.storage.connection.busy.time.sleep", wait)
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
            job.complete(0, "paid for")
        assert len(waits) == 3
        assert job.result(0) == "paid for"
