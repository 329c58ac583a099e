"""A program that makes warnings errors (``python -W error``): a warning comes after the work, and keeps none undone."""

from __future__ import annotations

import gc
import json
import sqlite3
import sys
import warnings
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest
from conftest import SECRET

from checkpoint_store import CheckpointStore, ChunksPassedOver, ProcessingState, StateManager, StoreRecovered
from checkpoint_store.errors import StoreDamaged
from checkpoint_store.execution.loops import open_loops as loops
from checkpoint_store.system.log import WarningsLast, warn_caller

from .manager_tools import a_state, old_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from weakref import ReferenceType


@pytest.fixture(autouse=True)
def errors() -> Iterator[None]:
    """Every warning is an error, whatever filters a test set before."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def spoil(path: Path) -> None:
    """Change a word in every stored result, without the digests."""
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("UPDATE chunk_results SET result = replace(result, 'river', 'rover')").rowcount


def made(path: Path) -> None:
    """Make a store of one complete job, with a state file that has its result."""
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, {"text": "the river", "price": 2.0})


# -- a store that was brought back


@pytest.mark.slow
def test_a_manager_records_a_result_before_it_warns_of_a_recovery(tmp_path: Path) -> None:
    """The call that opens the store may be the one that brings a paid result."""
    with StateManager(tmp_path / "state.json") as manager:
        manager.save(a_state())
        manager.update_chunk_complete(0, "first")
    (tmp_path / "state.db").unlink()
    with StateManager(tmp_path / "state.json") as manager, pytest.raises(StoreRecovered):
        manager.update_chunk_complete(1, "paid for")
    with CheckpointStore(tmp_path / "state.db") as store:
        assert dict(store.jobs()[0].items()) == {0: "first", 1: "paid for"}


@pytest.mark.slow
def test_a_manager_saves_a_state_before_it_warns_of_a_recovery(tmp_path: Path) -> None:
    """The state may hold results that are nowhere else."""
    with StateManager(tmp_path / "state.json") as manager:
        manager.save(a_state())
        manager.update_chunk_complete(0, "first")
    (tmp_path / "state.db").unlink()
    state = a_state(completed_chunks=[0, 1], processed_results=["first", "paid for"])
    with StateManager(tmp_path / "state.json") as manager, pytest.raises(StoreRecovered):
        manager.save(state)
    with CheckpointStore(tmp_path / "state.db") as store:
        assert dict(store.jobs()[0].items()) == {0: "first", 1: "paid for"}


def test_what_met_a_damaged_result_is_done_before_the_warning(tmp_path: Path) -> None:
    """The result is put back, the work is repeated, and then the warning is raised."""
    made(tmp_path / "talks.db")
    spoil(tmp_path / "talks.db")
    done: list[str] = []

    def work() -> None:
        done.append("begun")
        job = store._context.reading.jobs.find(job_id)
        text = store._context.reading.results.digest(job.job_id, 0)
        if len(done) == 1:
            raise StoreDamaged(store.path, "a digest", job_id=job_id, chunk_index=0)
        done.append(f"done with {text is not None}")

    with CheckpointStore(tmp_path / "talks.db") as store:
        job_id = store.job("talk.srt").job_id
        with pytest.raises(StoreRecovered):
            store._context.storage.healing.run(work)
        assert done == ["begun", "begun", "done with True"]
        assert store.check() == []


def test_a_result_whose_earlier_one_was_put_back_is_recorded(tmp_path: Path) -> None:
    """What the earlier result of a chunk cost is read before the new one is recorded, which is paid for."""
    calls: list[int] = []

    def work(index: int) -> dict[str, Any]:
        calls.append(index)
        spoil(tmp_path / "talks.db")
        return {"text": "anew", "price": 2.0}

    made(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.job("talk.srt")
        job.redo([0])
        assert [item.result["text"] for item in job.map(work, cost="price")] == ["anew"]
        assert (job.result(0)["text"], calls) == ("anew", [0])


# -- a state with a secret


def secret_state(path: Path) -> Path:
    path.write_text(json.dumps(old_state(config={"note": SECRET})), encoding="utf-8")
    return path


def results(store: CheckpointStore) -> list[Any]:
    return [item["cleaned_text"] for item in store.jobs()[0].results(missing="skip")]


def test_a_state_file_with_a_secret_is_taken_in_before_the_warning(tmp_path: Path) -> None:
    """The first open raises, and the second one goes on with the results; before, every open was refused."""
    secret_state(tmp_path / "talks.json")
    with pytest.raises(UserWarning, match="redacted"):
        CheckpointStore(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert results(store) == ["A", "B"]


def test_an_imported_state_is_taken_in_before_the_warning(tmp_path: Path) -> None:
    """The results of an imported state are in the store when its warning is raised as an error."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        with pytest.raises(UserWarning, match="redacted"):
            store.import_state(secret_state(tmp_path / "other.json"))
        assert results(store) == ["A", "B"]


def test_a_merged_state_is_taken_in_before_the_warning(tmp_path: Path) -> None:
    """The results of a merged state are in the store when its warning is raised as an error."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        with pytest.raises(UserWarning, match="redacted"):
            store.merge(secret_state(tmp_path / "other.json"))
        assert results(store) == ["A", "B"]


# -- failed chunks


def test_a_map_records_all_results_before_it_warns_of_failed_chunks(store: CheckpointStore) -> None:
    """The list is not returned where the warning is an error; the error says how to have the results."""

    def work(text: str) -> str:
        if text == "b":
            raise KeyError(text)
        return text.upper()

    def chunks_of(*texts: str) -> list[Any]:
        return store.map(work, texts, file_name="talk.srt", on_error="record", on_change="extend")

    assert chunks_of("a", "b") == ["A", None]
    with pytest.raises(ChunksPassedOver) as raised:
        chunks_of("a", "b", "c", "d")
    assert raised.value.__notes__ == ['Every result is recorded: job.results(missing="none") returns them.']
    job = store.job("talk.srt")
    assert list(job.results(missing="none")) == ["A", None, "C", "D"]
    assert (job.status, job.failed_chunks()[0].chunk_index, job.running_chunks()) == ("failed", 1, [])


# -- the end


def test_a_store_that_nobody_closed_is_closed_before_the_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be recorded until then is recorded, or kept in a file, by that closing."""
    raised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: raised.append(what.exc_type))
    store = CheckpointStore(tmp_path / "talks.db")
    context = store._context
    assert context is not None
    store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
    del store
    gc.collect()
    assert (context.reading.closed, raised) == (True, [ResourceWarning])
    state = ProcessingState.from_json((tmp_path / "talks.json").read_bytes())
    assert list(state.processed_results) == ["paid for"]


def test_a_warning_at_the_end_of_the_process_keeps_no_other_store_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each store with an open loop records what it has, whatever the end of another one raises."""
    ended: list[str] = []

    class Store:
        def __init__(self, name: str) -> None:
            self.name = name

        def at_exit(self) -> None:
            ended.append(self.name)
            raise RuntimeWarning(self.name)

    monkeypatch.setattr(loops, "_open_stores", [Store("first"), Store("second")])
    with pytest.raises(RuntimeWarning, match="first"):
        loops._end_all()
    assert ended == ["first", "second"]


# -- the rule


def test_warnings_come_after_the_outermost_body_and_all_of_them() -> None:
    """The first one that is an error is raised, at the caller's line where it is none."""
    done: list[str] = []
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", message="second")
        with pytest.raises(UserWarning, match="second"), WarningsLast():
            with WarningsLast():
                warn_caller("first", UserWarning)
                warn_caller("second", UserWarning)
            warn_caller("third", UserWarning)
            done.append("all")
            assert given == []
    assert ([str(warning.message) for warning in given], done) == (["first", "third"], ["all"])


def test_an_error_of_the_body_stands_in_the_place_of_a_warning() -> None:
    """An error of the work is raised instead of a pending warning, and the next warning is raised at once."""
    with pytest.raises(ValueError, match="no"), WarningsLast():
        warn_caller("first", UserWarning)
        raise ValueError("no")
    with pytest.raises(UserWarning, match="second"):
        warn_caller("second", UserWarning)


def test_a_warning_that_is_an_error_keeps_nothing_of_its_caller_alive() -> None:
    """What the caller held is freed once the error is handled: a store is closed then, and not when garbage is collected."""

    class Held:
        pass

    def warn() -> ReferenceType[Held]:
        held = Held()
        reference = ref(held)
        with suppress(UserWarning), WarningsLast():
            warn_caller("the disk is slow", UserWarning)
        return reference

    gc.disable()
    try:
        assert warn()() is None
    finally:
        gc.enable()
