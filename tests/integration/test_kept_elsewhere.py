"""A new job says what the store has for its chunks under another name or setting; old rules stay; and what looking costs."""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, PlanChanged, ResultsElsewhere
from checkpoint_store.model.plan import digest_of_fingerprints, fingerprint
from checkpoint_store.storage.records.open_requests import OpenRequest
from checkpoint_store.storage.statements.plans import open_job
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

TALK = [f"chunk {index}" for index in range(10)]


def finished(store: CheckpointStore, name: str = "a/talk.txt", **plan: Any) -> None:
    store.map(lambda chunk: {"t": str(chunk)}, file_name=name, **{"chunks": TALK} | plan)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return [message for message in said if "begins" in message]


# -- said once, where a new job begins


def test_a_new_name_says_so_once(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    """A job under a new name warns once of the results under the old name; going on warns of nothing."""
    finished(store)
    assert warnings_of(caplog) == []
    said = store.plan("b/talk.txt", chunks=[*TALK, "more"])
    assert (said.action, said.kept_elsewhere, said.chunks_to_do) == ("new", 10, 11)
    assert warnings_of(caplog) == []
    job = store.open_job("b/talk.txt", chunks=[*TALK, "more"])
    (warning,) = warnings_of(caplog)
    for part in (job.job_id, "'b/talk.txt'", "10 of its chunks", "takes those of 'a/talk.txt'"):
        assert part in warning
    store.open_job("b/talk.txt", chunks=[*TALK, "more"])
    assert warnings_of(caplog) == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", ["./a/talk.txt", "/home/ana/a/talk.txt", "talk copy.txt"])
def test_another_spelling_of_the_name_is_said_on_the_screen(store: CheckpointStore, name: str) -> None:
    """Who has set up no log reads, at the line of the call, that this input is paid for already, and under which name."""
    finished(store)
    with pytest.warns(ResultsElsewhere, match=r"10 of its chunks .*takes those of 'a/talk.txt'") as caught:
        store.open_job(name, chunks=TALK)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_shared_opening_or_a_chosen_change_is_no_news_on_the_screen(store: CheckpointStore) -> None:
    """Talks that begin with the same words, and runs that said what they want, show no warning."""
    finished(store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.open_job("other.txt", chunks=[TALK[0], *(f"another {index}" for index in range(9))])
        store.open_job("copy.txt", chunks=TALK, on_change="restart")
        store.open_job("third.txt", chunks=TALK, on_change="reuse")


@pytest.mark.parametrize("name", ["a/talk.txt", "b/talk.txt"])
def test_another_setting_says_so(store: CheckpointStore, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Another model of the same file, or of another one: the setting that differs is named."""
    finished(store, model="A")
    said = store.plan(name, chunks=TALK, model="B", on_change="restart")
    assert said.kept_elsewhere == 10
    store.open_job(name, chunks=TALK, model="B", on_change="restart")
    (warning,) = warnings_of(caplog)
    assert "reuse_ignoring=('model',)" in warning


def test_reuse_says_what_it_does_not_take(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    """Results under the same settings are taken from the other name; of the rest there are some under another model."""
    finished(store, chunks=TALK[:4])
    finished(store, chunks=TALK, model="B", on_change="restart")
    warnings_of(caplog)
    said = store.plan("b/talk.txt", chunks=TALK, on_change="reuse")
    assert (said.action, said.kept, said.kept_elsewhere) == ("reuse", 4, 6)
    store.open_job("b/talk.txt", chunks=TALK, on_change="reuse")
    assert len(warnings_of(caplog)) == 1
    said = store.plan("c/talk.txt", chunks=TALK, on_change="reuse", reuse_ignoring=["model"])
    assert (said.kept, said.kept_elsewhere) == (10, 0)


def test_a_chunk_that_is_known_elsewhere_and_by_its_place_counts_once(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Chunks 0 to 2 are known under another model, and all ten by their places: the results are for ten chunks."""
    store.map(str, TALK[:3], file_name="b/talk.txt", model="B")
    job = store.open_job("a/talk.txt", total_chunks=10, model="A")
    job.complete_many((index, str(index)) for index in range(10))
    warnings_of(caplog)
    options: dict[str, Any] = {"chunks": TALK, "model": "C", "on_change": "reuse"}
    assert store.plan("a/talk.txt", **options).kept_elsewhere == 10
    store.open_job("a/talk.txt", **options)
    (warning,) = warnings_of(caplog)
    assert "and the store has results for 3 of its chunks under another name or setting; " in warning
    assert "; an earlier job of the file has 7 results of chunks whose content it does not know: " in warning


def test_results_that_only_their_place_tells_are_no_results_for_0_chunks(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning begins with what is there."""
    job = store.open_job("a/talk.txt", total_chunks=10, model="A")
    job.complete(0, "0")
    store.open_job("a/talk.txt", chunks=TALK, model="B", on_change="reuse")
    (warning,) = warnings_of(caplog)
    assert "begins, and an earlier job of the file has 1 result of chunks whose content it does not know: " in warning


def test_handles_without_a_result_are_no_results_for_0_chunks(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch was begun under another name: the warning begins with its handles."""
    store.open_job("a/talk.txt", chunks=TALK).record_handle(range(2), "batch")
    store.open_job("b/talk.txt", chunks=TALK)
    (warning,) = warnings_of(caplog)
    assert (
        "begins, and the store has handles for 2 of its chunks under another name, which on_change='reuse' takes"
        in warning
    )


def test_results_of_the_same_name_and_setting_are_no_news(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Who begins a file again knows of them; nor is there anything to say of chunks that nobody did."""
    finished(store)
    store.open_job("a/talk.txt", chunks=[*TALK, "more"], on_change="restart")
    store.open_job("a/talk.txt", chunks=TALK, fresh=True)
    store.open_job("b/talk.txt", chunks=["quite", "other"])
    store.open_job("c/talk.txt", total_chunks=10)
    assert warnings_of(caplog) == []
    assert store.plan("a/talk.txt", chunks=[*TALK, "edit"], on_change="restart").kept_elsewhere == 0


# -- the rule of an old job


@dataclasses.dataclass
class Piece:
    text: str
    speaker: str = "Ann"


def make_old(store: CheckpointStore, name: str, pieces: list[Piece], results: int) -> str:
    """Make a job as a version before rule 2 did: a piece counts by its text."""
    job = store.open_job(name, chunks=[piece.text for piece in pieces])
    job.complete_many((index, f"old {index}") for index in range(results))
    digest = digest_of_fingerprints(fingerprint(piece, rule=1) for piece in pieces)
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("UPDATE jobs SET fingerprint_rule = 1, chunks_digest = ? WHERE job_id = ?", (digest, job.job_id))
    return job.job_id


def test_a_job_goes_on_by_the_rule_that_it_was_made_with(store: CheckpointStore, open_store: Opener) -> None:
    """An upgrade makes no object another chunk: the old job is found, goes on, and can be reused after an edit."""
    pieces = [Piece(f"piece {index}") for index in range(4)]
    old = make_old(store, "f", pieces, 2)
    job = store.open_job("f", chunks=pieces)
    assert job.job_id == old
    assert [chunk.index for chunk in job.pending()] == [2, 3]
    job.complete(2, "new 2")
    edited = [Piece("first"), *pieces]
    reused = open_store().open_job("f", chunks=edited, on_change="reuse")
    assert list(reused.items()) == [(1, "old 0"), (2, "old 1"), (3, "new 2")]
    changed = [dataclasses.replace(piece, speaker="Bob") for piece in edited]
    with pytest.raises(PlanChanged):
        store.open_job("f", chunks=changed)


def test_old_results_of_texts_are_found_under_every_name(store: CheckpointStore) -> None:
    """Text has one fingerprint by both rules; of an object only the file's own old jobs are asked by its text."""
    make_old(store, "f", [Piece(text) for text in TALK], 10)
    assert store.plan("g", chunks=TALK, on_change="reuse").kept == 10
    assert store.plan("f", chunks=[Piece(text) for text in [*TALK, "x"]], on_change="reuse").kept == 10
    assert store.plan("g", chunks=[Piece(text) for text in TALK], on_change="reuse").kept == 0


def test_chunks_that_the_old_rule_did_not_identify_are_of_no_old_job(store: CheckpointStore) -> None:
    """A row with a date in it was refused before; it agrees with no job of that time."""
    import datetime as dt

    old = make_old(store, "f", [Piece("a")], 1)
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", chunks=[{"at": dt.date(2024, 1, 2)}])
    assert (caught.value.job_id, caught.value.reusable_results) == (old, 0)


# -- what it costs


def traced(store: CheckpointStore, request: OpenRequest) -> list[str]:
    statements: list[str] = []

    def work(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        open_job.open_job(connection, request, store.path)
        connection.set_trace_callback(None)

    store._context.storage.database.write(work)
    return [text for text in statements if "completed_chunks" in text and text.startswith("SELECT")]


@pytest.mark.slow
@pytest.mark.parametrize("on_change", ["refuse", "reuse", "restart"])
def test_an_unchanged_plan_reads_no_other_jobs_chunks(store: CheckpointStore, on_change: str) -> None:
    """However many results the store has, a job that goes on is found without going through them."""
    for number in range(5):
        finished(store, f"other {number}", chunks=[f"{number} {index}" for index in range(50)])
    job = store.open_job("f", chunks=TALK, on_change="reuse")
    job.complete(0, "done")
    others = [other.job_id for other in store.jobs() if other.job_id != job.job_id]
    plan = store._context.reading.jobs.find(job.job_id).plan
    request = OpenRequest(plan, [fingerprint(text) for text in TALK], None, on_change, fresh=False)
    statements = traced(store, request)
    assert [text for text in statements if any(other in text for other in others)] == []
    new = dataclasses.replace(request, plan=dataclasses.replace(plan, file_name="new", chunks_digest="1:x"))
    assert len([text for text in traced(store, new) if any(other in text for other in others)]) == 5


def test_a_store_with_nothing_else_in_it_says_nothing(tmp_path: Path) -> None:
    """The first job of a store has nobody to look at."""
    with CheckpointStore(tmp_path / "new.db") as store:
        said = store.plan("f", chunks=TALK)
    assert (said.action, said.kept_elsewhere) == ("new", 0)


def test_a_search_by_place_reads_no_row_of_a_job_that_knows_its_chunks(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A begin with reuse holds the write lock over no loop over the completed chunks of each earlier job."""
    read: list[Any] = []
    run = Statement.run

    def counted_run(statement: Statement, connection: sqlite3.Connection, **named: Any) -> Any:
        rows = run(statement, connection, **named)
        if "source_differs_in IS NULL" not in statement.text:
            return rows
        return (read.append(row) or row for row in rows)  # type: ignore[func-returns-value]

    for model in ("A", "B"):
        finished(store, chunks=[*TALK, model], model=model, on_change="restart")
    monkeypatch.setattr(Statement, "run", counted_run)
    for reuse_ignoring in ([], ["model", "chunks"]):
        said = store.plan("a/talk.txt", chunks=[*TALK, "new"], on_change="reuse", reuse_ignoring=reuse_ignoring)
        assert (said.action, said.chunks_to_do) == ("reuse", 1 if reuse_ignoring else 11)
    assert read == []
