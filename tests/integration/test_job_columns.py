"""No column of ``jobs`` is forgotten where the row of a job is put together from several files."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore, recover_store
from checkpoint_store.execution.opening import Fingerprints
from checkpoint_store.storage.checks import same_content
from checkpoint_store.storage.recovery import merge_copies
from checkpoint_store.storage.tables import jobs, metadata

from .shard_tools import NAME, clean, shard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COLUMNS = sorted(column.name for column in jobs.columns)

TOLD_BY_THE_WORK = {
    *("job_id", "status", "completed_count", "started_at", "updated_at", "stretch_started_at"),
    *("stretch_completed_count", "superseded_by", "chunks_digest", "fingerprint_rule"),
}
"""Nobody gives these: chunks and attempts tell them, or the next run makes them."""
AS_IN_THE_BEST_COPY = {
    *("job_id", "file_name", "video_title", "model", "provider", "config", "metadata", "sequential", "started_at"),
    *("completed_count", "updated_at", "stretch_started_at", "stretch_completed_count", "superseded_by"),
}
"""A job that grows keeps these, or they are reckoned after its chunks are back."""

SAME_PLAN = {"job_id", "file_name", "model", "provider", "config", "sequential"}
"""A merge takes results only into a job that has the same values of these."""
TAKEN = {"total_chunks", "chunks_digest", "fingerprint_rule", "video_title", "metadata"}
KEPT = {
    *("job_number", "started_at", "error_message", "is_current", "superseded_by"),
    *("looked_number", "looked_jobs", "looked_chunks"),
}
IN_A_BACKUP = {
    *("job_id", "status", "file_name", "video_title", "model", "provider", "total_chunks", "completed_count"),
    *("error_message", "config", "chunks_digest", "fingerprint_rule", "is_current", "superseded_by", "metadata"),
    "sequential",
}
"""A backup in which these differ does not hold all that the store holds."""
RECKONED = {"status", "completed_count", "updated_at", "stretch_started_at", "stretch_completed_count"}


@dataclass(frozen=True)
class Part:
    """A chunk that rule 1 identifies by its text alone."""

    text: str
    speaker: str


PARTS = [Part(f"part {index}", "Ana") for index in range(6)]


def of_text(part: Part) -> dict[str, Any]:
    return clean(part.text)


def change(path: Path, **values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in values)}", tuple(values.values()))


def row(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM jobs").fetchone())


@each_case(
    "groups",
    [
        (merge_copies._GIVEN, merge_copies._MADE_ANEW, TOLD_BY_THE_WORK),
        (merge_copies._OF_GROWTH, merge_copies._MADE_ANEW, AS_IN_THE_BEST_COPY),
        (SAME_PLAN, TAKEN, KEPT, RECKONED),
        (IN_A_BACKUP, same_content.MAY_DIFFER["jobs"]),
    ],
    ids=["recovery", "recovery of a job that has grown", "merge", "backup"],
)
def test_each_column_of_a_job_has_one_place(groups: tuple[Iterable[str], ...]) -> None:
    """Whoever adds a column decides what recovery, merge and backup do with it: none is lost because nobody thought of it."""
    assert sorted(name for group in groups for name in group) == COLUMNS


def test_a_backup_is_compared_by_each_table_that_a_person_pays_for() -> None:
    """Whoever adds a table decides whether a backup without its rows holds all that the store holds."""
    assert sorted((*same_content.MAY_DIFFER, *same_content.NOT_COMPARED)) == sorted(metadata.tables)


def test_a_recovery_names_all_that_somebody_gave_and_that_is_lost(tmp_path: Path) -> None:
    """A column that reads in no copy is in the report, if nothing else in the store tells it."""
    path = shard(tmp_path / "one", range(3))
    for other in set(path.parent.iterdir()) - {path}:  # backups and the state file
        other.unlink()
    change(path, **dict.fromkeys(merge_copies._GIVEN | (TOLD_BY_THE_WORK - {"job_id"}), b"\xff"))
    (report,) = recover_store(path, accept_loss=True).jobs
    assert report.recovered_chunks == 3
    *others, last = sorted(merge_copies._GIVEN)
    assert report.lost == f"its {', '.join(others)} and {last} are lost"


@pytest.mark.slow
def test_a_job_that_has_grown_elsewhere_takes_what_it_lacks(tmp_path: Path) -> None:
    """The chunks' digest comes with the rule that it was made by: the grown job goes on with its chunks here."""
    one = tmp_path / "one" / "talks.db"
    one.parent.mkdir()
    with CheckpointStore(one) as store:
        store.map(of_text, PARTS[:4], file_name=NAME, only=range(3))
    shutil.copytree(one.parent, tmp_path / "two")
    two = tmp_path / "two" / one.name
    change(one, chunks_digest=None, fingerprint_rule=1)  # begun without the chunks at hand
    digest, _ = Fingerprints(PARTS, None).digests()
    its = {"total_chunks": 6, "chunks_digest": digest, "video_title": "A talk", "metadata": '{"owner": "Ana"}'}
    marks = dict.fromkeys(("started_at", "error_message", "superseded_by"), "2020-01-01T00:00:00Z")
    looked = {"looked_number": 5, "looked_jobs": 6, "looked_chunks": 7}
    change(two, job_number=5, is_current=0, **its, **marks, **looked)
    own, other = row(one), row(two)
    assert [name for name in sorted(TAKEN | KEPT) if own[name] == other[name]] == []
    with CheckpointStore(one) as store:
        store.merge(two)
    found = row(one)
    assert {name: found[name] for name in TAKEN | SAME_PLAN} == {name: other[name] for name in TAKEN | SAME_PLAN}
    assert {name: found[name] for name in KEPT} == {name: own[name] for name in KEPT}
    with CheckpointStore(one) as store:
        assert [item.index for item in store.open_job(NAME, chunks=PARTS).map(of_text)] == [3, 4, 5]
        assert len(store.jobs()) == 1
