"""Sums over results of which some are damaged, and a copy has what was written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, InvalidArgumentError, StoreDamaged, StoreRecovered
from tests.cli.conftest import Folder

if TYPE_CHECKING:
    from pathlib import Path

COSTS: list[Any] = [0.5, 2, "0.25", None, True, "much", 2**40, "12"]
KEYS = ("cost", "usage.tokens", "words")
SPOILS = {
    "no JSON": "UPDATE chunk_results SET result = substr(result, 2) WHERE chunk_index = 1",
    "no UTF-8": "UPDATE chunk_results SET result = CAST(x'f57b7d' AS TEXT) WHERE chunk_index = 1",
    "another amount": "UPDATE chunk_results SET result = replace(result, '2', '7') WHERE chunk_index = 1",
    "missing": "DELETE FROM chunk_results WHERE chunk_index = 1",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of a job whose results have costs of every kind, and its copies."""
    folder = tmp_path_factory.mktemp("made")
    with CheckpointStore(folder / "talks.db") as store:
        job = store.open_job("talk.srt", chunks=["same", *map(str, range(1, len(COSTS))), "same"])
        for index, cost in enumerate([*COSTS, COSTS[0]]):
            job.complete(index, {"cost": cost, "usage": {"tokens": index}, "words": 3})
        job.finish()
    return folder


def _spoilt(made: Path, folder: Path, how: str) -> Path:
    shutil.copytree(made, folder)
    with closing(sqlite3.connect(folder / "talks.db", isolation_level=None)) as connection:
        assert connection.execute(SPOILS[how]).rowcount == 1
    return folder / "talks.db"


def _sums(path: Path, **options: Any) -> dict[str, Any]:
    with CheckpointStore(path, **options) as store:
        job = store.latest_job()
        assert job is not None
        list(job.items())  # verifies each result: what is damaged is known from here on
        return job.totals(*KEYS)


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", SPOILS)
def test_a_read_only_store_adds_up_what_a_copy_has(made: Path, tmp_path: Path, how: str) -> None:
    """The sums are those of the sound store, of numbers and texts, of fields and dotted paths, each result once."""
    path = _spoilt(made, tmp_path / "spoilt", how)
    with pytest.warns(StoreRecovered, match="not put back"):
        found = _sums(path, read_only=True)
    assert found == _sums(made / "talks.db")


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["no JSON", "no UTF-8", "missing"])
@pytest.mark.parametrize("command", [["list"], ["show"]], ids="".join)
def test_list_and_show_of_a_store_with_a_damaged_result_say_what_the_copy_says(
    made: Path, tmp_path: Path, how: str, command: list[str]
) -> None:
    """Reading commands go on, with the same figures as of the sound store."""
    path = _spoilt(made, tmp_path / "spoilt", how)
    sound = Folder(made).json(*command, "--store", "talks.db")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        found = Folder(path.parent).run(*command, "--store", "talks.db", "--json")
    assert json.loads(found.stdout) == sound
    assert "read from copies, and not put back" in found.stderr


def test_a_field_that_no_result_has_is_named_all_the_same(made: Path, tmp_path: Path) -> None:
    """Where a copy is read in the place of a damaged result, a mistyped field is refused as ever."""
    path = _spoilt(made, tmp_path / "spoilt", "no JSON")
    with CheckpointStore(path, read_only=True) as store:
        job = store.job("talk.srt")
        with pytest.warns(StoreRecovered):
            assert job.totals("cots", "words", missing="skip") == {"words": 27}
        with pytest.raises(InvalidArgumentError, match=r"cots.*the newest result has: cost, usage\.tokens, words"):
            job.totals("cots")


def test_a_sum_without_a_result_that_no_copy_has_is_an_error(made: Path, tmp_path: Path) -> None:
    """A result whose row is gone is not passed over: a sum that is too small would look right."""
    path = _spoilt(made, tmp_path / "spoilt", "missing")
    for copy in path.parent.glob("talks.*"):
        if copy != path:
            copy.unlink()
    with CheckpointStore(path, read_only=True) as store, pytest.raises(StoreDamaged, match="lacks 1 result"):
        store.job("talk.srt").totals("cost")
