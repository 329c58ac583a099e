"""The stores of several machines, merged into one: nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

import shutil
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, JobStatus, StateFormatError, StoreDamaged, StoreTargetError

from .shard_tools import CHUNKS, NAME, clean, contents, rows, shard

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, byte for byte, and nothing of it opened while a store has it open."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_shards_become_a_whole_job(tmp_path: Path) -> None:
    """The job is completed, its results are read in order, the next run has nothing to do, and each chunk was paid once."""
    one, two = shard(tmp_path / "one", range(7)), shard(tmp_path / "two", range(7, 12))
    with CheckpointStore(one) as store:
        report = store.merge(two)
        (merged,) = report.jobs
        job = store.job(NAME)
        assert (merged.added_chunks, merged.remaining_chunks, merged.status, merged.is_new) == (
            5, 0, JobStatus.COMPLETED, False,
        )  # fmt: skip
        assert list(job.results()) == [clean(text) for text in CHUNKS]
        assert (job.totals("cost"), store.incomplete_jobs(), store.check()) == ({"cost": 3.0}, [], [])
        assert store.map(pytest.fail, CHUNKS, file_name=NAME) == [clean(text) for text in CHUNKS]  # type: ignore[arg-type]
        assert store.state_file is not None
        assert '"status": "completed"' in store.state_file.read_text("utf-8")
    assert rows(one, "SELECT cost, carried FROM job_costs") == [(3.0, 0.0)]
    assert rows(one, "SELECT count(*), count(source_job_id) FROM completed_chunks") == [(12, 0)]


def test_the_other_store_is_only_read(tmp_path: Path) -> None:
    """No file of the other machine's store is created, changed or locked for good."""
    one, two = shard(tmp_path / "one", range(7)), shard(tmp_path / "two", range(7, 12))
    before = files(two.parent)
    with CheckpointStore(one) as store:
        store.merge(two)
    assert files(two.parent) == before
    assert not [path for path in one.parent.iterdir() if ".tmp-" in path.name]


@pytest.mark.slow_variants
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_any_order_and_any_number_of_times_is_the_same(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Three shards, of which two overlap, merged in each order and then again: the same results, costs and attempts."""
    parts = (range(5), range(3, 8), range(8, 12))
    stores = [shard(tmp_path / f"m{number}", part) for number, part in enumerate(parts)]
    wanted = None
    for run in (order, (*order, *order)):
        target = tmp_path / f"into-{len(run)}.db"
        with CheckpointStore(target, state_file=None) as store:
            for number in run:
                store.merge(stores[number])
            assert store.check() == []
        found = contents(target)
        assert wanted in (None, found)
        wanted = found
    assert wanted is not None
    assert wanted["jobs"] == [(NAME, "completed", 12, 1)]
    assert wanted["costs"] == [(NAME, 12, 3.0, 0.0, None)]
    assert len(wanted["attempts"]) == sum(map(len, parts))


@pytest.mark.slow
def test_attempts_keep_their_host(tmp_path: Path) -> None:
    """A failed try on another machine is told with its error, its cost and its host, and counts against the chunk."""

    class ServiceError(Exception):
        cost = 0.5

    def fails(_: str) -> None:
        raise ServiceError("no answer")

    one, two = shard(tmp_path / "one", range(7)), shard(tmp_path / "two", range(7, 11))
    with CheckpointStore(two) as store:
        job = store.open_job(NAME, chunks=CHUNKS)
        list(job.map(fails, only=[11], retry_on=ServiceError, max_attempts=2, wait=0, on_error="record"))
    for _ in range(2):
        with CheckpointStore(one) as store:
            store.merge(two)
            (failed,) = store.job(NAME).failed_chunks()
            assert (failed.chunk_index, failed.attempt, failed.error) == (11, 2, "ServiceError: no answer")
        assert rows(one, "SELECT cost, failed_cost FROM job_costs") == [(3.75, 1.0)]
    hosts = "SELECT DISTINCT host != '', ended_at IS NOT NULL FROM runners JOIN attempts USING (runner_id)"
    assert rows(one, hosts) == [(1, 1)]


def test_a_contradiction_is_named_and_nothing_of_it_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A merge names a chunk with two results, keeps its own, and keeps the other with its cost in the attempts."""
    one, two = shard(tmp_path / "one", range(7)), tmp_path / "two" / "talks.db"
    two.parent.mkdir()
    with CheckpointStore(two) as store:
        job = store.open_job(NAME, chunks=CHUNKS)
        list(job.map(lambda text: {"text": f"else: {text}", "cost": 4.0}, only=[5, 6, 7]))
    for _ in range(2):
        with CheckpointStore(one) as store:
            report = store.merge(two)
            job = store.job(NAME)
            assert report.contradictions == ((job.job_id, 5), (job.job_id, 6))
            assert "another result is kept here for 2 chunks: 5, 6" in str(report)
            assert "another result is kept here" in caplog.text
            assert (job.result(5), job.result(7)["text"]) == (clean(CHUNKS[5]), "else: chunk 7")
            assert store.check() == []
        assert rows(one, "SELECT cost FROM job_costs") == [(7 * 0.25 + 3 * 4.0,)]
        kept = "SELECT error FROM attempts WHERE chunk_index = 5 AND outcome = 'failed'"
        ((told,),) = rows(one, kept)
        assert '{"text": "else: chunk 5", "cost": 4.0}' in told.replace('":"', '": "')
    with CheckpointStore(two, read_only=True) as store:
        assert store.job(NAME).result(5)["text"] == "else: chunk 5"


def test_the_same_value_written_in_another_way_is_no_contradiction(tmp_path: Path) -> None:
    """Keys in another order are the same result."""
    one, two = shard(tmp_path / "one", range(7)), tmp_path / "two" / "talks.db"
    two.parent.mkdir()
    with CheckpointStore(two) as store:
        job = store.open_job(NAME, chunks=CHUNKS)
        list(job.map(lambda text: dict(reversed(clean(text).items())), only=[5]))
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert (merged.same_chunks, merged.contradictions) == (1, ())


def test_a_copy_of_the_store_that_worked_on_elsewhere_is_merged_back(tmp_path: Path) -> None:
    """A store that was copied to two machines has the same job on both; what both had before is there once."""
    one = shard(tmp_path / "one", range(4))
    shutil.copytree(one.parent, tmp_path / "two")
    two = tmp_path / "two" / "talks.db"
    shard(one.parent, range(4, 8))
    shard(two.parent, range(8, 12))
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert (merged.added_chunks, merged.same_chunks, merged.added_attempts) == (4, 4, 4)
        assert (store.job(NAME).status, len(store.jobs())) == ("completed", 1)
    assert rows(one, "SELECT count(*) FROM attempts") == [(12,)]


def test_a_job_that_is_not_here_is_added_and_pushes_none_aside(tmp_path: Path) -> None:
    """What was opened here last stays the newest and the current job; a job of another plan is superseded by it."""
    one = shard(tmp_path / "one", None, model="m-2")
    two = shard(tmp_path / "two", range(3), model="m-1")
    with CheckpointStore(two) as store:
        store.map(str.upper, ["a"], file_name="second.txt")
        store.open_job("third.txt", total_chunks=3)
        order = [job.file_name for job in store.jobs()]
    with CheckpointStore(one) as store:
        own = store.job(NAME)
        report = store.merge(two)
        assert [job.is_new for job in report.jobs] == [True, True, True]
        assert [job.file_name for job in store.jobs()] == [NAME, *order]
        assert (store.latest_job() or own).job_id == own.job_id == (store.current_job() or own).job_id
        older = store.jobs(file_name=NAME)[1]
        assert (older.superseded_by, older.status, own.superseded_by) == (own.job_id, "paused", None)
        assert [job.file_name for job in store.incomplete_jobs()] == ["third.txt"]
        assert [job.is_new for job in store.merge(two).jobs] == [False, False, False]
        assert len(store.jobs()) == 4
        reused = store.open_job(NAME, chunks=CHUNKS, model="m-1", on_change="reuse")
        assert reused.job_id == older.job_id


def test_an_empty_store_takes_all_of_another_one(tmp_path: Path) -> None:
    """Order, the current job and which job replaced which are those of the other store."""
    one = shard(tmp_path / "one", None, model="m-1")
    shard(one.parent, None, model="m-2", on_change="restart")
    with CheckpointStore(tmp_path / "all.db") as store, CheckpointStore(one, read_only=True) as origin:
        store.merge(one)
        assert [job.job_id for job in store.jobs()] == [job.job_id for job in origin.jobs()]
        assert [job.superseded_by for job in store.jobs()] == [job.superseded_by for job in origin.jobs()]
        assert (store.current_job() or store.jobs()[1]).model == "m-2"
        assert store.state_file is not None
        assert store.state_file.exists()


@pytest.mark.slow
def test_several_jobs_of_one_plan_stay_apart(tmp_path: Path) -> None:
    """A job that was begun anew because its results were bad does not get them back, and contradicts nothing."""
    one = shard(tmp_path / "one", range(2))
    two = tmp_path / "two" / "talks.db"
    two.parent.mkdir()
    with CheckpointStore(two) as store:
        store.map(lambda text: {"text": f"bad: {text}"}, CHUNKS, file_name=NAME)
        store.map(clean, CHUNKS, file_name=NAME, fresh=True)
    for _ in range(2):
        with CheckpointStore(one) as store:
            report = store.merge(two)
            assert report.contradictions == ()
            assert [len(list(job.items())) for job in store.jobs()] == [12, 12]
            assert store.job(NAME).result(11) == clean(CHUNKS[11])


def test_carried_results_stay_carried(tmp_path: Path) -> None:
    """What another job paid for is counted once over all jobs, also after a merge."""
    one = shard(tmp_path / "one", range(3), model="m-1")
    two = shard(tmp_path / "two", range(6), model="m-1")
    shard(two.parent, range(8), model="m-2", on_change="reuse", reuse_ignoring=["model"])
    with CheckpointStore(one) as store:
        store.merge(two)
        first, second = store.job(NAME), next(job for job in store.jobs() if job.model == "m-2")
        assert first.model == "m-1"
        assert (first.totals("cost"), second.totals("cost")) == ({"cost": 1.5}, {"cost": 2.0})
        sources = rows(one, "SELECT DISTINCT source_job_id FROM completed_chunks WHERE job_id = ?", second.job_id)
        assert set(sources) == {(first.job_id,), (None,)}
    assert rows(one, "SELECT cost, carried FROM job_costs ORDER BY cost") == [(0.5, 1.5), (1.5, 0.0)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_known", [False, True], ids=["new here", "of the same plan here"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_result_that_stands_twice_in_a_job_is_paid_once_after_a_merge(
    tmp_path: Path, place: int, is_known: bool
) -> None:
    """A text stands twice, and an edit and its undoing carried its result to the other place: the cost counts once."""
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    chunks = ["again", "one", "two", "again"]
    with CheckpointStore(two) as store:
        store.open_job(NAME, chunks=chunks).complete(place, clean("again"))
        store.open_job(NAME, chunks=["again", "edited"], on_change="reuse")
        job = store.open_job(NAME, chunks=chunks, on_change="reuse")
        paid, standing = job.costs(), job.totals("cost")
        assert (paid.cost, standing, job.remaining()) == (0.25, {"cost": 0.25}, [range(1, 3)])
    with CheckpointStore(one) as store:
        job_id = store.open_job(NAME, chunks=chunks).job_id if is_known else job.job_id
        store.merge(two)
        merged = store.job(job_id)
        assert (merged.costs(), merged.totals("cost"), merged.remaining()) == (paid, standing, [range(1, 3)])
        assert (dict(merged.items()), store.check()) == ({0: clean("again"), 3: clean("again")}, [])


def test_a_deleted_job_does_not_come_back(tmp_path: Path) -> None:
    """What was deleted here is passed over, and the report says so."""
    one = shard(tmp_path / "one", range(4))
    shutil.copytree(one.parent, tmp_path / "two")
    with CheckpointStore(one) as store:
        store.delete_job(store.job(NAME).job_id)
        (merged,) = store.merge(tmp_path / "two" / "talks.db").jobs
        assert (merged.passed_over, store.jobs()) == ("it was deleted here", [])


def test_another_plan_under_the_same_id_is_passed_over(tmp_path: Path) -> None:
    """A result is never taken for another plan than the one that it was made for."""
    one = shard(tmp_path / "one", range(4))
    shutil.copytree(one.parent, tmp_path / "two")
    two = tmp_path / "two" / "talks.db"
    shard(two.parent, range(4, 6))
    with CheckpointStore(two) as store:
        state = store.job(NAME).state().replace(model="another")
    with CheckpointStore(one) as store:
        path = tmp_path / "other.json"
        path.write_text(state.to_json(), "utf-8")
        (merged,) = store.merge(path).jobs
        assert "its plan is another one than here: model" in str(merged)
        assert store.job(NAME).completed_ranges() == [(0, 4)]


@pytest.mark.slow
def test_a_state_file_is_merged(tmp_path: Path) -> None:
    """All that came home of another machine may be its state file; results that differ are named."""
    one, two = shard(tmp_path / "one", range(7)), shard(tmp_path / "two", range(6, 12))
    named = tmp_path / "exported.state"
    with CheckpointStore(two, read_only=True) as store:
        store.job(NAME).export(named)
    for path in (two.with_suffix(".json"), named):
        with CheckpointStore(one) as store:
            report = store.merge(path)
            assert (report.path, report.jobs[0].remaining_chunks, report.contradictions) == (path, 0, ())
            assert (store.job(NAME).status, store.check()) == ("completed", [])
    assert rows(one, "SELECT cost FROM job_costs") == [(3.0,)]


def test_an_import_that_makes_a_job_whole_completes_it(tmp_path: Path, open_store: Opener) -> None:
    """A state file that has the last chunks ends the job; it stayed running, and nobody was at work on it."""
    store = open_store()
    job = store.open_job(NAME, chunks=CHUNKS)
    list(job.map(clean, only=range(6)))
    results = [clean(text) for text in CHUNKS]
    whole = job.state().replace(completed_chunks=list(range(12)), processed_results=results, result_indices=[])
    whole = whole.replace(status="running")
    path = tmp_path / "whole.json"
    path.write_text(whole.to_json(), "utf-8")
    assert store.import_state(path).status == "completed"
    other = open_store("other.db").import_state(path)
    assert (other.status, other.progress().remaining_chunks) == ("completed", 0)


def test_a_whole_job_that_an_earlier_version_left_running_is_completed_by_a_merge(tmp_path: Path) -> None:
    """Nothing is taken, and nothing is left: the job says so."""
    one, two = shard(tmp_path / "one", None), shard(tmp_path / "two", range(3))
    _write(one, "UPDATE jobs SET status = ?", ("running",))
    with CheckpointStore(one) as store:
        (merged,) = store.merge(two).jobs
        assert (merged.added_chunks, merged.status) == (0, JobStatus.COMPLETED)


def test_keys_handles_and_metadata_come_along(tmp_path: Path) -> None:
    """What a service holds for a chunk is known here, too; what is known here stays."""
    one, two = shard(tmp_path / "one", range(4)), shard(tmp_path / "two", range(4, 6))
    for path, handle in ((one, "batch-1"), (two, "batch-2")):
        with CheckpointStore(path) as store:
            job_id = store.job(NAME).job_id
        put = "INSERT INTO chunk_handles (job_id, chunk_index, handle, recorded_at) VALUES (?, ?, ?, '2026-01-01T00:00:00Z')"
        _write(path, put, (job_id, 9, handle), *([(job_id, 10, handle)] if path == two else []))
    _write(two, "INSERT INTO chunk_keys VALUES (?, ?, ?)", (job_id, 9, "row-9"))
    _write(two, "INSERT INTO chunk_redos VALUES (?, ?, '2026-01-01T00:00:00Z', 1)", (job_id, 4))
    _write(two, "UPDATE jobs SET metadata = ?", ('{"owner": "Ana"}',))
    for _ in range(2):
        with CheckpointStore(one) as store:
            store.merge(two)
        assert rows(one, "SELECT chunk_index, handle FROM chunk_handles ORDER BY 1") == [
            (9, "batch-1"),
            (10, "batch-2"),
        ]
        assert rows(one, "SELECT chunk_index, key FROM chunk_keys") == [(9, "row-9")]
        assert rows(one, "SELECT metadata FROM jobs") == [('{"owner": "Ana"}',)]
    assert rows(one, "SELECT chunk_index FROM chunk_redos") == [(4,)]


def _write(path: Path, statement: str, *values: tuple[Any, ...]) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(statement, values)


@pytest.mark.slow_variants
@pytest.mark.parametrize("what", ["itself", "link", "state", "missing", "empty", "text", "folder", "database"])
def test_what_is_no_other_store_is_refused(tmp_path: Path, what: str) -> None:
    """The error names the file and the reason, and nothing is changed."""
    one = shard(tmp_path / "one", range(4))
    path = tmp_path / "other.db"
    says = {
        "itself": "it is this store itself",
        "link": "it is this store itself",
        "state": "it is this store itself",
        "missing": "there is no such file",
        "empty": "it is empty",
        "text": "it is no SQLite database",
        "folder": "it is a folder",
        "database": "of another program",
    }[what]
    if what in ("empty", "text"):
        path.write_text("" if what == "empty" else "hello, this is a text that is long enough to be read", "utf-8")
    elif what == "folder":
        path.mkdir()
    elif what == "database":
        _write(path, "CREATE TABLE IF NOT EXISTS t (x)", ())
    elif what == "link":
        path.symlink_to(one)
    elif what != "missing":
        path = one if what == "itself" else one.with_suffix(".json")
    before = contents(one)
    with CheckpointStore(one) as store, pytest.raises(StoreTargetError, match=says):
        store.merge(path)
    assert contents(one) == before


def test_what_is_damaged_or_torn_changes_nothing(tmp_path: Path) -> None:
    """A damaged store names what is wrong and the command that mends it; a torn state file names the field."""
    one, two = shard(tmp_path / "one", range(4)), shard(tmp_path / "two", range(4, 12))
    _write(two, "UPDATE chunk_results SET result = ? WHERE chunk_index = 6", ('{"text": "forged"}',))
    torn = tmp_path / "torn.json"
    torn.write_text('{"version": "1.3", "job_id": "x"', "utf-8")
    before = contents(one)
    with CheckpointStore(one) as store:
        with pytest.raises(StoreDamaged, match=r"chunk 6.*recover_store"):
            store.merge(two)
        with pytest.raises(StateFormatError):
            store.merge(torn)
    assert contents(one) == before


@pytest.mark.slow_variants
@pytest.mark.parametrize("column", ["started_at", "config"])
def test_a_row_that_does_not_read_is_named(tmp_path: Path, column: str) -> None:
    """What another program wrote into the other store is no traceback, and nothing of that store is taken."""
    one, two = shard(tmp_path / "one", range(4)), shard(tmp_path / "two", range(4, 12))
    _write(two, f"UPDATE jobs SET {column} = ?", (b"\xff",))
    before = contents(one)
    with CheckpointStore(one) as store, pytest.raises(StoreDamaged, match=f"{column}.*recover_store"):
        store.merge(two)
    assert contents(one) == before
