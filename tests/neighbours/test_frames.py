"""Frames of pandas and polars: their rows as chunks, and results as their columns."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import InvalidArgumentError, JobIncomplete, frames

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

    from checkpoint_store import CheckpointStore

slow = pytest.mark.slow  # pandas and polars are in the extra dev
WITHOUT = program(__file__, "without_frames")


@pytest.fixture(params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    """pandas, and polars."""
    return import_module(request.param)


def values(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame, with None for what is missing."""
    if hasattr(frame, "to_dicts"):
        return list(frame.to_dicts())
    return [{name: None if isnan(value) else value for name, value in row.items()} for row in frame.to_dict("records")]


def isnan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


class Service:
    """Counts what is paid for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(row)
        return {"cleaned": row["text"].upper(), "cost": 0.5}


@slow
def test_a_job_as_a_frame(store: CheckpointStore, library: Any) -> None:
    """Each completed chunk is a row: index, key, the fields of its result, cost, seconds and attempts."""
    job = store.open_job("talk.txt", chunks=["a", "b", "c"])
    job.fail_chunk(1, "no answer", cost=0.25)
    job.complete_many([(0, {"text": "A", "cost": 0.5, "n": 2**60 + 1}), (1, {"text": "B", "cost": "1.5"})])
    frame = job.to_dataframe(library.__name__)
    assert isinstance(frame, library.DataFrame)
    names = ["index", "key", "text", "result.cost", "n", "cost", "seconds", "attempts"]
    assert list(frame.columns) == names
    rows = values(frame)
    assert [[row[name] for name in ("index", "key", "text", "cost", "attempts")] for row in rows] == [
        [0, None, "A", 0.5, 0],
        [1, None, "B", 1.75, 1],
    ]
    assert frame["n"].to_list()[0] == 2**60 + 1
    assert [row["result.cost"] for row in rows] == [0.5, "1.5"]


@slow
def test_the_cost_of_a_frame_is_that_of_the_job(store: CheckpointStore, tmp_path: Path, library: Any) -> None:
    """The column adds up to what the view job_costs says, with failed tries and without what another job paid."""
    store.open_job("talk.txt", chunks=["a", "b"]).complete(0, {"text": "A", "cost": 2})
    job = store.open_job("talk.txt", chunks=["a", "b", "c"], on_change="reuse")
    job.complete(1, {"text": "B", "cost": 0.5})
    job.fail_chunk(2, "no answer", cost=0.25)
    frame = job.to_dataframe(library.__name__, missing="none")
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        (cost,) = raw.execute("SELECT cost FROM job_costs WHERE job_id = ?", (job.job_id,)).fetchone()
    assert [row["cost"] for row in values(frame)] == [0.0, 0.5, 0.25]
    assert sum(frame["cost"].to_list()) == cost == 0.75


@slow
def test_the_keys_of_chunks_are_a_column(store: CheckpointStore, library: Any) -> None:
    """Chunks that have keys are found by them in the frame, numbers as numbers."""
    texts = store.open_job("talk.txt", chunks={"x": "a", "7": "b"})
    texts.complete_many([(0, "A"), (1, "B")])
    frame = texts.to_dataframe(library.__name__)
    assert [(row["key"], row["result"]) for row in values(frame)] == [("x", "A"), ("7", "B")]
    pages = store.open_job("book.txt", chunks={7: "a", 9: "b"})
    pages.complete(1, "B")
    assert pages.to_dataframe(library.__name__)["key"].to_list() == [9]


@slow
def test_missing_results_of_a_frame(store: CheckpointStore, library: Any) -> None:
    """A chunk without a result is left out, has a row without fields, or is refused, as the caller says."""
    job = store.open_job("talk.txt", chunks=["a", "b"])
    job.complete(1, {"n": 7, "is_good": True})
    assert [row["index"] for row in values(job.to_dataframe(library.__name__))] == [1]
    frame = job.to_dataframe(library.__name__, missing="none")
    assert [(row["index"], row["attempts"]) for row in values(frame)] == [(0, 0), (1, 0)]
    assert frame["n"].to_list()[1] == 7
    assert "int" in str(frame["n"].dtype).lower()
    assert "bool" in str(frame["is_good"].dtype).lower()
    with pytest.raises(JobIncomplete):
        job.to_dataframe(library.__name__, missing="raise")


RESULTS = [
    {"mixed": 1, "list": [1, 2], "big": 2**70, "half": 1.5, "deep": {"a": 1}},
    {"mixed": "one", "list": [], "big": 3, "half": 2, "deep": {"b": [1, "x"]}},
    {"mixed": None, "list": ["a"], "big": None, "half": 2**53 + 1, "deep": {}},
]


@slow
def test_a_column_names_the_rows(store: CheckpointStore, library: Any) -> None:
    """A row is found by the value of its key column, which need not be what the function gets; no two are called alike."""
    service = Service()
    frame = library.DataFrame({"id": [17, 4], "text": ["a", "b"]})
    done = frames.map_rows(store, service, frame, file_name="t", columns=["text"], key="id")
    assert values(done)[1]["cleaned"] == "B"
    assert store.job("t").result_of(4) == {"cleaned": "B", "cost": 0.5}
    assert service.asked == [{"text": "a"}, {"text": "b"}]
    doubled = library.DataFrame({"id": [4, 4], "text": ["a", "c"]})
    with pytest.raises(InvalidArgumentError, match="the value 4 in two rows"):
        frames.map_rows(store, service, doubled, file_name="t", key="id")
    assert len(service.asked) == 2


@slow
def test_no_value_changes_in_a_frame(store: CheckpointStore, library: Any) -> None:
    """What is not of one simple type stands in the column as the result has it, not cut, rounded or null."""
    job = store.open_job("talk.txt", chunks=["a", "b", "c"])
    job.complete_many(enumerate(RESULTS))
    frame = job.to_dataframe(library.__name__)
    assert [{name: frame[name].to_list()[row] for name in RESULTS[row]} for row in range(3)] == RESULTS


@slow
def test_results_come_back_as_columns(store: CheckpointStore, library: Any) -> None:
    """The frame is returned with the fields of the results beside its own columns; the given one stays."""
    frame = library.DataFrame({"text": ["a", "b"], "cost": [10, 20]})
    done = frames.map_rows(store, Service(), frame, file_name="tickets.csv", model="small-1")
    assert values(done) == [
        {"text": "a", "cost": 10, "cleaned": "A", "result.cost": 0.5},
        {"text": "b", "cost": 20, "cleaned": "B", "result.cost": 0.5},
    ]
    assert list(frame.columns) == ["text", "cost"]


@slow
def test_a_frame_that_is_read_again_costs_nothing(store: CheckpointStore, library: Any) -> None:
    """Rows count by their values: another type of number, a missing value elsewhere, another column, no new call."""
    service = Service()
    frame = library.DataFrame({"text": ["a", "b"], "n": [1, 2], "note": ["", ""]})
    frames.map_rows(store, service, frame, file_name="t", columns=["text", "n"])
    longer = library.DataFrame({"text": ["a", "b", "c"], "n": [1.0, 2.0, None], "note": ["x", "y", "z"]})
    done = frames.map_rows(store, service, longer, file_name="t", columns=["text", "n"], on_change="reuse")
    assert [row["text"] for row in service.asked] == ["a", "b", "c"]
    assert service.asked[2] == {"text": "c", "n": None}
    assert [row["cleaned"] for row in values(done)] == ["A", "B", "C"]


@slow
def test_both_libraries_give_the_same_rows(store: CheckpointStore) -> None:
    """A table that was worked off with pandas is done when polars brings it, dates and missing values included."""
    import pandas as pd
    import polars as pl

    service = Service()
    columns: dict[str, list[Any]] = {
        "text": ["a", None],
        "n": [1, None],
        "x": [0.5, None],
        "at": [datetime(2026, 1, 2, 3, tzinfo=UTC), None],
        "ok": [True, False],
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def fn(row: dict[str, Any]) -> dict[str, Any]:
        return service({**row, "text": row["text"] or ""})

    for frame in (pd.DataFrame(columns, index=[7, 9]), pl.DataFrame(columns), pd.DataFrame(rows)):
        done = frames.map_rows(store, fn, frame, file_name="t")
        assert done["cleaned"].to_list() == ["A", ""]
    assert len(service.asked) == 2
    assert [list(frames.map_rows(store, fn, pd.DataFrame(columns, index=[7, 9]), file_name="t").index)] == [[7, 9]]


@slow
def test_numpys_values_are_pythons(store: CheckpointStore) -> None:
    """The function gets Python's own numbers and lists, and a row is the same with them."""
    import numpy as np
    import pandas as pd

    service = Service()
    cells = [np.int64(3), np.float32(0.5), np.bool_(True), np.array([1, 2]), [np.datetime64("2026-01-02")]]
    frame = pd.DataFrame({"text": ["a"] * 5, "cell": pd.Series(cells, dtype=object)})
    frames.map_rows(store, service, frame, file_name="t")
    assert [row["cell"] for row in service.asked] == [3, 0.5, True, [1, 2], ["2026-01-02"]]
    assert [type(row["cell"]) for row in service.asked] == [int, float, bool, list, list]
    plain = pd.DataFrame({"text": ["a"] * 5, "cell": pd.Series([3, 0.5, True, [1, 2], ["2026-01-02"]], dtype=object)})
    frames.map_rows(store, service, plain, file_name="t")
    assert len(service.asked) == 5


@slow
def test_a_frame_is_a_list_of_rows_everywhere(store: CheckpointStore, library: Any) -> None:
    """map, open_job and plan take a frame, too, whose iteration would give its columns."""
    service = Service()
    frame = library.DataFrame({"text": ["a", "b"]})
    assert [one["cleaned"] for one in store.map(service, frame, file_name="t")] == ["A", "B"]
    assert store.plan("t", chunks=frame).action == "complete"
    job = store.open_job("t", chunks=frame)
    assert job.plan(frame).action == "complete"
    assert service.asked == [{"text": "a"}, {"text": "b"}]


@slow
def test_a_failed_row_has_empty_columns(store: CheckpointStore, library: Any) -> None:
    """With on_error="record" the other rows are there, and the failed one is seen."""

    def fn(row: dict[str, Any]) -> dict[str, Any]:
        if row["text"] == "b":
            raise ValueError("no good")
        return {"cleaned": row["text"].upper()}

    frame = library.DataFrame({"text": ["a", "b"]})
    done = frames.map_rows(store, fn, frame, file_name="t", on_error="record", max_attempts=1)
    assert [row["cleaned"] for row in values(done)] == ["A", None]


@slow
def test_what_cannot_be_a_row_is_refused_before_any_call(store: CheckpointStore) -> None:
    """Doubled or unnamed columns, a lazy frame, an infinite number, a wrong column: named, and nothing is begun."""
    import pandas as pd
    import polars as pl

    service = Service()
    refused = {
        "two columns called 'text'": pd.DataFrame([["a", "b"]], columns=["text", "text"]),
        "the column 0": pd.DataFrame([["a"]]),
        "collect": pl.LazyFrame({"text": ["a"]}),
        r"identified: chunk 0\['n'\] is inf": pd.DataFrame({"text": ["a"], "n": [float("inf")]}),
    }
    for said, frame in refused.items():
        with pytest.raises(InvalidArgumentError, match=said):
            frames.map_rows(store, service, frame, file_name="t")
    with pytest.raises(InvalidArgumentError, match=r"'txt'.*has text"):
        frames.map_rows(store, service, pl.DataFrame({"text": ["a"]}), file_name="t", columns=["txt"])
    with pytest.raises(InvalidArgumentError, match="no frame of pandas or polars"):
        frames.map_rows(store, service, [{"text": "a"}], file_name="t")
    assert (service.asked, store.jobs()) == ([], [])


@slow
@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("columns", [], "names no column"),
        ("columns", 3, "no list of columns"),
        ("columns", ["n", "n"], "names the column 'n' twice"),
        ("columns", ["m"], "which has n, kind, 7"),
        ("key", "m", "which has n, kind, 7"),
        ("key", ("n", "kind"), "is no column"),
        ("key", "kind", r"the value \['a'\], which is no key"),
    ],
)
def test_a_wrong_column_is_named_by_its_option(store: CheckpointStore, option: str, given: Any, said: str) -> None:
    """No call is made: the error says which of ``columns`` and ``key`` is wrong, whatever names and values there are."""
    import pandas as pd

    service, frame = Service(), pd.DataFrame({"n": [1, 2], "kind": [["a"], ["b"]], 7: [3, 4]})
    options: dict[str, Any] = {"columns": ["n"], option: given}
    with pytest.raises(InvalidArgumentError, match=said) as caught:
        frames.map_rows(store, service, frame, file_name="t", **options)
    assert (caught.value.name, service.asked, store.jobs()) == (option, [], [])


def test_a_missing_library_is_one_line(children: Children) -> None:
    """A frame whose library is missing is refused with the line that installs it."""
    lines = children.run(WITHOUT).splitlines()
    assert lines == [
        f"a frame of {name} needs {name}: pip install 'checkpoint-store[{name}]'" for name in ("pandas", "polars")
    ]


def test_neither_library_is_imported_unasked(children: Children) -> None:
    """Whoever uses no frames does not wait for pandas or polars."""
    assert json.loads(children.run(program(__file__, "use_no_frames"))) == []


def test_an_unknown_library_is_named(store: CheckpointStore) -> None:
    """A misspelt library is refused, with those that there are."""
    with pytest.raises(InvalidArgumentError, match=r"'spark' is none of pandas, polars"):
        store.open_job("t", chunks=["a"]).to_dataframe("spark")  # type: ignore[arg-type]


class Table:
    """What is no frame, but would give its columns where its rows are wanted."""

    columns = ("a", "b")

    def __iter__(self) -> Any:
        return iter(self.columns)


def test_another_table_is_refused(store: CheckpointStore) -> None:
    """A table that does not give its rows would become a job of column names."""
    with pytest.raises(InvalidArgumentError, match="give a list of its rows"):
        store.open_job("t", chunks=Table())
