"""``list`` shows the jobs that are asked for, with what they cost, for people and for programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.inspect import listing

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.fixture
def three(folder: Folder) -> Folder:
    """A store with a complete job that cost something, an interrupted one and one with a failed chunk."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        with store.open_job("talks/a.srt", total_chunks=2) as job:
            job.complete(0, {"cost": 0.25, "input_tokens": 1000, "output_tokens": 10})
            job.complete(1, {"cost": 0.5, "input_tokens": 500, "output_tokens": 1})
        store.open_job("b.srt", total_chunks=2).complete(0, "no cost")
        store.open_job("c.srt", total_chunks=1).fail_chunk(0, "a\ttab,\na line")
    return folder


def _names(folder: Folder, *words: str) -> list[str]:
    return [job["file_name"] for job in folder.json("list", *words)["jobs"]]


def _rows(text: str, delimiter: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_jobs_are_chosen(three: Folder) -> None:
    """``list`` filters by the shown status, by the file's name with or without folder, by time and by number."""
    assert _names(three) == ["c.srt", "b.srt", "talks/a.srt"]
    assert _names(three, "--status", "completed") == ["talks/a.srt"]
    assert _names(three, "--file", "a.srt") == _names(three, "--file", "talks/a.srt") == ["talks/a.srt"]
    assert _names(three, "--limit", "2") == ["c.srt", "b.srt"]
    assert _names(three, "--since", "1h") == _names(three, "--since", "2020-01-31") == _names(three)
    assert _names(three, "--since", "2999-01-31T10:00:00+00:00") == []
    assert "matches" in three.run("list", "--file", "d.srt").stderr


@each_case("when", ["yesterday", "7", "7y", "2026-02-30"])
def test_a_time_that_is_none_is_refused(three: Folder, when: str) -> None:
    """The message says which times there are."""
    said = three.run("list", "--since", when, code=2).stderr
    assert when in said
    assert "2026-01-31" in said


def test_cost_and_tokens_are_sums_over_the_results(three: Folder) -> None:
    """A job without a cost has none, and no 0."""
    costs = {job["file_name"]: (job["cost"], job["tokens"]) for job in three.json("list")["jobs"]}
    assert costs == {"talks/a.srt": (0.75, 1511), "b.srt": (None, None), "c.srt": (None, None)}
    shown = three.run("list", COLUMNS="160").stdout
    assert "COST" in shown
    assert "  0.75 " in shown
    assert "1,511" in shown


def test_costs_are_left_out_where_they_take_long(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list says so, and --limit or another choice brings them back."""
    monkeypatch.setattr(listing, "RESULTS_WITH_COSTS_MAX", 2)
    assert "--limit" in three.run("list").stderr
    assert three.json("list", "--status", "completed")["jobs"][0]["cost"] == 0.75


@pytest.mark.slow_variants
@pytest.mark.parametrize(("option", "delimiter"), [("--csv", ","), ("--tsv", "\t")])
def test_tables_for_programs(three: Folder, option: str, delimiter: str) -> None:
    """Each job, error and chunk is one line, whatever its texts hold."""
    jobs = three.run("list", option).stdout
    assert [row["file_name"] for row in _rows(jobs, delimiter)] == ["c.srt", "b.srt", "talks/a.srt"]
    assert _rows(jobs, delimiter)[2]["cost"] == "0.75"
    errors = three.run("errors", "c.srt", option).stdout
    assert len(errors.splitlines()) == 2
    assert _rows(errors, delimiter)[0]["error"].endswith("a tab, a line")
    chunks = _rows(three.run("chunks", "b.srt", option).stdout, delimiter)
    assert [(row["start"], row["stop"], row["status"]) for row in chunks] == [
        ("0", "1", "completed"),
        ("1", "2", "pending"),
    ]


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("list",), ("errors", "c.srt"), ("chunks", "c.srt")])
def test_json_and_a_table_exclude_each_other(three: Folder, words: tuple[str, ...]) -> None:
    """Stdout is one or the other."""
    assert "exclude" in three.run(*words, "--json", "--csv", code=2).stderr
