"""save(state) after each chunk: only what changed is written to the store, and the files are exact each time."""

from __future__ import annotations

import dataclasses
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateFormatError, StateManager
from checkpoint_store.model.frozen import thaw
from checkpoint_store.state_file.reader import glance
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.connection import pragmas, writer
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import save_state as save_state_statements

from .manager_tools import loaded, reverse_both, sort_both

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children, ManagerOpener


def with_chunk(state: ProcessingState, index: int, result: Any) -> ProcessingState:
    """A state in which one chunk more is complete, as a processor of the plan makes it."""
    return state.replace(
        completed_chunks=[*state.completed_chunks, index], processed_results=[*state.processed_results, result]
    )


def exact(manager: StateManager) -> None:
    """The state file is what the store has, for a reader that knows nothing of this manager."""
    text = manager.state_path.read_bytes()
    with CheckpointStore(manager.store_path, state_file=None, read_only=True) as store:
        job = store.current_job()
        assert job is not None
        assert job.export(manager.state_path.with_name("again.json")).read_bytes() == text
    assert stat.S_IMODE(manager.state_path.stat().st_mode) == 0o600


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The chunks whose results are made into text, as they are."""
    seen: list[int] = []
    real = save_state_statements._encoded

    def watched(job_id: str, index: int, result: Any) -> tuple[str, str]:
        seen.append(index)
        return real(job_id, index, result)

    monkeypatch.setattr(save_state_statements, "_encoded", watched)
    return seen


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose results are read from the store."""
    seen: list[str] = []
    real = result_statements.result_texts

    def watched(connection: Any, job_id: str, *more: Any) -> Any:
        seen.append(job_id)
        return real(connection, job_id, *more)

    monkeypatch.setattr(result_statements, "result_texts", watched)
    return seen


@pytest.mark.slow_variants
@pytest.mark.parametrize("again", [False, True], ids=["kept", "loaded"])
def test_each_save_writes_one_result(manager: StateManager, encoded: list[int], read: list[str], again: bool) -> None:
    """Loaded before each change or kept by the caller; and nothing is read back, for the file neither."""
    state = ProcessingState(file_name="a", total_chunks=30)
    manager.save(state)
    for index in range(20):
        state = with_chunk(loaded(manager) if again else state, index, {"chunk_index": index + 1, "text": "ä" * 50})
        before = manager.state_path.read_bytes()
        manager.save(state)
        assert manager.state_path.with_suffix(".bak").read_bytes() == before
        exact_here = ProcessingState.from_json(manager.state_path.read_bytes())
        assert exact_here == loaded(manager)
    assert encoded == list(range(20))
    assert read == []
    exact(manager)


def test_a_state_made_of_plain_data_writes_one_result_too(manager: StateManager, encoded: list[int]) -> None:
    """What is equal, to the type of each number, is not written again."""
    manager.save(ProcessingState(file_name="a", total_chunks=9, completed_chunks=[0, 1], processed_results=[1, [0.0]]))
    encoded.clear()
    manager.save(ProcessingState.from_dict(with_chunk(loaded(manager), 2, {"t": 1}).to_dict()))
    assert encoded == [2]
    manager.save(loaded(manager).replace(processed_results=[True, [-0.0], {"t": 1}]))
    assert encoded == [2, 0, 1]
    manager.close()
    results = loaded(manager).results()
    assert [type(results[0]), str(results[1]), results[2]] == [bool, "[-0.0]", {"t": 1}]
    exact(manager)


def test_what_another_process_recorded_meanwhile_stays(manager: StateManager, children: Children) -> None:
    """What another process recorded stays, in the file and in the next load, whoever saves an older state."""
    manager.save(
        ProcessingState(job_id="j", file_name="a", total_chunks=5, completed_chunks=[0], processed_results=["a"])
    )
    mine = loaded(manager)
    children.run("""
from checkpoint_store import *
with StateManager("state.json") as manager:
    manager.update_chunk_complete(3, "theirs")
    manager.update_chunk_complete(0, "replaced")
""")
    assert loaded(manager).results() == {0: "replaced", 3: "theirs"}
    manager.save(with_chunk(mine, 1, "mine"))
    assert loaded(manager).results() == {0: "replaced", 1: "mine", 3: "theirs"}
    exact(manager)


def test_a_save_does_not_trust_what_it_knew_before(manager: StateManager, make_manager: ManagerOpener) -> None:
    """Where another recorded something since, and this manager did not look: both are there, and what is newer."""
    other = make_manager()
    kept = with_chunk(ProcessingState(job_id="j", file_name="a", total_chunks=5), 0, "a")
    manager.save(kept)
    other.update_chunk_complete(3, "theirs")
    other.update_chunk_complete(0, "replaced")
    manager.save(with_chunk(kept, 1, "mine"))
    assert loaded(manager).results() == {0: "replaced", 1: "mine", 3: "theirs"}
    exact(manager)


def test_own_chunks_between_two_saves_are_seen(manager: StateManager) -> None:
    """A save sees the chunks that this manager recorded since the save before."""
    manager.save(ProcessingState(file_name="a", total_chunks=5))
    stale = loaded(manager)
    manager.update_chunk_complete(2, "c")
    manager.set_status("paused", "why")
    assert (loaded(manager).results(), loaded(manager).error_message) == ({2: "c"}, "why")
    manager.save(with_chunk(stale, 0, "a"))
    assert loaded(manager).results() == {0: "a", 2: "c"}
    exact(manager)


def test_another_store_object_of_this_process_is_seen(manager: StateManager, make_manager: ManagerOpener) -> None:
    """Each has connections of its own."""
    other = make_manager()
    manager.save(ProcessingState(file_name="a", total_chunks=5))
    for index in range(4):
        writer, reader = (manager, other) if index % 2 else (other, manager)
        writer.save(with_chunk(loaded(writer), index, index))
        assert loaded(reader).results() == {done: done for done in range(index + 1)}
    exact(manager)


@pytest.mark.slow
def test_saves_in_threads_leave_an_exact_file(manager: StateManager, make_manager: ManagerOpener) -> None:
    """Each adds its chunk to what it loaded; nothing that was saved is lost."""
    manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=40))
    managers = [manager, make_manager()]
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for index in range(number, 40, 4):
                one = managers[index % 2]
                one.save(with_chunk(loaded(one), index, {"by": number}))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert loaded(manager).results() == {index: {"by": index % 4} for index in range(40)}
    manager.save(loaded(manager))
    exact(manager)


def test_a_file_is_not_set_back(
    manager: StateManager, make_manager: ManagerOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another recorded between a save's commit and the writing of its file is in the file, too."""
    manager.save(ProcessingState(file_name="a", total_chunks=9))
    other, real = make_manager(), StateFile.write
    state = with_chunk(loaded(manager), 0, "mine")

    def between(state_file: StateFile, job_id: str, known: Any = None) -> Any:
        monkeypatch.setattr(StateFile, "write", real)
        other.update_chunk_complete(1, "theirs")
        other.close()
        return real(state_file, job_id, known)

    monkeypatch.setattr(StateFile, "write", between)
    manager.save(state)
    assert ProcessingState.from_json(manager.state_path.read_bytes()).results() == {0: "mine", 1: "theirs"}
    assert loaded(manager).results() == {0: "mine", 1: "theirs"}
    exact(manager)


def test_a_save_that_fails_leaves_nothing_behind(manager: StateManager) -> None:
    """A ``save`` that fails changes neither the store nor what the manager knows."""
    manager.save(ProcessingState(file_name="a", total_chunks=5, completed_chunks=[0], processed_results=["a"]))
    state = loaded(manager)
    open_question = state.replace(completed_chunks=[0, 1, 2], processed_results=["a", "x"])
    before = manager.state_path.read_bytes()
    with pytest.raises(StateFormatError, match=r"\[1\] belongs to one of the chunks 1, 2"):
        manager.save(open_question)
    assert manager.state_path.read_bytes() == before
    assert loaded(manager) == state
    manager.save(with_chunk(loaded(manager), 4, "e"))
    assert loaded(manager).results() == {0: "a", 4: "e"}
    exact(manager)


def test_appended_results_go_to_appended_chunks(manager: StateManager) -> None:
    """Results that a saved state appends belong to the appended chunks, whatever the results say of themselves."""
    manager.save(ProcessingState(file_name="a", total_chunks=9, completed_chunks=[0, 1]))
    manager.update_chunk_complete(1, {"chunk_index": 2})
    manager.save(with_chunk(loaded(manager), 5, {"chunk_index": 6}))
    assert loaded(manager).results() == {1: {"chunk_index": 2}, 5: {"chunk_index": 6}}
    assert loaded(manager).completed_chunks == [1, 5, 0]
    exact(manager)


@pytest.mark.slow_variants
@pytest.mark.parametrize("fresh", [False, True], ids=["known", "read again"])
def test_appended_lists_without_result_indices_are_paired_too(
    manager: StateManager, make_manager: ManagerOpener, fresh: bool
) -> None:
    """New results of a processor that knows only the plan's fields are paired with new chunks, or refused."""
    manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=9, completed_chunks=[0, 1]))
    manager.update_chunk_complete(1, "b")
    before = loaded(manager)
    saver = make_manager() if fresh else manager

    def appended(chunks: list[int], results: list[Any]) -> ProcessingState:
        return ProcessingState(
            job_id="j",
            file_name="a",
            total_chunks=9,
            completed_chunks=[*before.completed_chunks, *chunks],
            processed_results=[*before.processed_results, *results],
        )

    with pytest.raises(StateFormatError, match=r"\[1\] belongs to one of the chunks 0, 5, 6"):
        saver.save(appended([5, 6], ["f"]))
    assert loaded(manager) == before
    saver.save(appended([5, 4], ["f", "e"]))
    assert loaded(manager).results() == {1: "b", 4: "e", 5: "f"}
    exact(manager)


@pytest.mark.slow_variants
@pytest.mark.parametrize("fresh", [False, True], ids=["known", "read again"])
@pytest.mark.parametrize("arrange", [sort_both, reverse_both])
def test_results_that_are_sorted_with_their_chunks_stay_at_their_chunks(
    manager: StateManager, make_manager: ManagerOpener, arrange: Callable[[dict[str, Any]], None], fresh: bool
) -> None:
    """A processor may arrange the lists of a state as it likes, and need not know ``result_indices``."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk in (0, 2):
        manager.update_chunk_complete(chunk, f"result {chunk}")
    data = loaded(manager).to_dict()
    data["completed_chunks"].append(1)
    data["processed_results"].append("result 1")
    arrange(data)
    saver = make_manager() if fresh else manager
    saver.save(ProcessingState.from_dict(data))
    assert loaded(manager).results() == {0: "result 0", 1: "result 1", 2: "result 2"}
    exact(manager)


@pytest.mark.parametrize("indices", ["as loaded", "left out"])
def test_results_that_are_sorted_by_their_own_number_stay_at_their_chunks(manager: StateManager, indices: str) -> None:
    """A processor sorts the results by ``chunk_index``, and leaves the list of chunks in the order of its work."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    results = [{"chunk_index": chunk, "text": f"result {chunk}"} for chunk in range(3)]
    for chunk in (0, 2):
        manager.update_chunk_complete(chunk, results[chunk])
    state = dataclasses.replace(
        loaded(manager),
        completed_chunks=[0, 2, 1],
        processed_results=results,
        result_indices=[0, 2] if indices == "as loaded" else [],
    )
    manager.save(state)
    assert loaded(manager).results() == dict(enumerate(results))
    exact(manager)


@pytest.mark.slow_variants
@pytest.mark.parametrize("fresh", [False, True], ids=["known", "read again"])
@pytest.mark.parametrize(
    ("stored", "indices", "results"),
    [
        (["ham", "spam"], [1, 0], ["ham", "spam"]),
        (["yes", "no", "no"], [2, 0, 1], ["no", "no", "yes"]),
        (["yes", "no", "no"], [2, 1, 0], ["yes", "yes", "no"]),
        ([{"chunk_index": 0}, {"chunk_index": 1}], [1, 0], [{"chunk_index": 0}, {"chunk_index": 1}]),
    ],
)
def test_result_indices_of_the_caller_decide(
    manager: StateManager,
    make_manager: ManagerOpener,
    stored: list[Any],
    indices: list[int],
    results: list[Any],
    fresh: bool,
) -> None:
    """Each result is stored for the chunk that the caller names, also where its content was another chunk's."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk, result in enumerate(stored):
        manager.update_chunk_complete(chunk, result)
    state = loaded(manager).replace(processed_results=results, result_indices=indices)
    saver = make_manager() if fresh else manager
    saver.save(state)
    assert loaded(manager).results() == dict(zip(indices, results, strict=True))


def test_equal_results_that_are_sorted_with_their_chunks_stay_at_their_chunks(manager: StateManager) -> None:
    """Labels repeat: the pairing that changes no stored result is taken."""
    manager.save(ProcessingState(file_name="a", total_chunks=5))
    for chunk, label in ((0, "yes"), (2, "no"), (3, "no")):
        manager.update_chunk_complete(chunk, label)
    labels = ["yes", "yes", "no", "no"]
    manager.save(dataclasses.replace(loaded(manager), completed_chunks=[0, 1, 2, 3], processed_results=labels))
    assert loaded(manager).results() == dict(enumerate(labels))


def test_a_label_that_another_chunk_had_is_a_new_label(manager: StateManager) -> None:
    """Equal content does not tell that a result was moved: chunk 0 is done again while the next chunk is appended."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk, label in ((0, "yes"), (1, "yes"), (2, "no"), (3, "no")):
        manager.update_chunk_complete(chunk, label)
    state = dataclasses.replace(
        loaded(manager), completed_chunks=[1, 0, 2, 3], processed_results=["no", "yes", "yes", "no"]
    )
    manager.save(state)
    assert loaded(manager).results() == {0: "no", 1: "yes", 2: "yes", 3: "no"}


def test_results_that_are_arranged_in_another_way_than_their_chunks_are_refused(manager: StateManager) -> None:
    """Nothing tells which chunk each belongs to: the store keeps what it has."""
    manager.save(ProcessingState(file_name="a", total_chunks=4))
    for chunk in (0, 2):
        manager.update_chunk_complete(chunk, f"result {chunk}")
    before = loaded(manager)
    results = ["result 2", "result 1", "result 0"]
    state = dataclasses.replace(before, completed_chunks=[0, 1, 2], processed_results=results)
    with pytest.raises(StateFormatError, match=r"^result_indices gives a result to another chunk"):
        manager.save(state)
    assert loaded(manager) == before
    manager.save(dataclasses.replace(state, result_indices=[2, 1, 0]))
    assert loaded(manager).results() == {0: "result 0", 1: "result 1", 2: "result 2"}


def test_a_result_that_is_taken_out_of_a_state_stays(manager: StateManager) -> None:
    """Nothing that was paid for is taken back, and load gives it again."""
    manager.save(ProcessingState(file_name="a", total_chunks=3, completed_chunks=[0, 1], processed_results=["a", "b"]))
    manager.save(loaded(manager).replace(completed_chunks=[0, 1], processed_results=["a"]))
    assert loaded(manager).results() == {0: "a", 1: "b"}
    manager.save(loaded(manager).replace(completed_chunks=[], processed_results=[]))
    assert loaded(manager).results() == {0: "a", 1: "b"}
    exact(manager)


def test_many_results_are_not_kept_as_text(
    manager: StateManager, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a job with many results is made from the store, and shows equal results."""
    monkeypatch.setattr(save_state_statements, "_HELD_TEXT_BYTES_MAX", 100)
    manager.save(ProcessingState(file_name="a", total_chunks=9))
    manager.save(with_chunk(loaded(manager), 0, "x" * 50))
    assert read == []
    manager.save(with_chunk(loaded(manager), 1, "x" * 60))
    assert len(read) == 1
    manager.save(with_chunk(loaded(manager), 2, "x"))
    assert len(read) == 2
    exact(manager)


def test_the_plan_of_a_job_is_not_changed_by_saving_it(manager: StateManager) -> None:
    """A model that is not given, or given as an empty text, is the same model for open_job."""
    with CheckpointStore(manager.store_path, state_file=None) as store:
        job = store.open_job("a", total_chunks=2, model="", config={"k": [1, 2]})
        manager.save(loaded(manager).replace(status="paused"))
        again = store.open_job("a", total_chunks=2, config={"k": [1, 2]})
        assert (again.job_id, thaw(loaded(manager).config)) == (job.job_id, {"k": [1, 2]})


@pytest.mark.slow
def test_the_time_of_a_long_state_file_is_found_at_a_glance(manager: StateManager) -> None:
    """The time of a long state file is found quickly, so a store that went back in time is noticed."""
    count = 20_000
    manager.save(
        ProcessingState(
            file_name="a", total_chunks=count, completed_chunks=range_of(count), processed_results=range_of(count)
        )
    )
    seen = glance(manager.state_path)
    assert seen is not None
    assert (seen.completed_chunks, seen.updated_at) == (count, loaded(manager).updated_at)


def range_of(count: int) -> list[int]:
    return list(range(count))


def test_on_a_network_file_system_saves_are_as_exact(
    make_manager: ManagerOpener, monkeypatch: pytest.MonkeyPatch, encoded: list[int]
) -> None:
    """Saves with the rollback journal of a network file system are exact, too."""
    monkeypatch.setattr(pragmas, "file_system", lambda _path: "nfs")
    one, other = make_manager(), make_manager()
    one.save(ProcessingState(file_name="a", total_chunks=9))
    for index in range(3):
        one.save(with_chunk(loaded(one), index, index))
    assert encoded == [0, 1, 2]
    other.save(with_chunk(loaded(other), 3, 3))
    assert loaded(one).results() == {index: index for index in range(4)}
    monkeypatch.setattr(writer, "data_version_of", refuse)
    assert loaded(one).results() == {index: index for index in range(4)}
    exact(one)


def refuse(_connection: sqlite3.Connection) -> Any:
    """Another process holds the file for its commit."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise error
