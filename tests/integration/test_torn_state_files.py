"""A state file that is torn, or no state file at all: nothing of it is lost, and a program can go on."""

from __future__ import annotations

import json
import shutil
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from conftest import snapshot

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StateFormatError,
    StateManager,
    StoreRecovered,
    StoreTargetError,
    recover_store,
)

from .manager_tools import loaded

if TYPE_CHECKING:
    from pathlib import Path

TORN = {"in a line": "{torn", "a list": "[1, 2", "bytes": "\x01\x02 binary", "a bracket more": '{"a": 1}}'}


def begin(path: Path, chunks: int) -> None:
    with StateManager(path) as manager:
        manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=5, status="running"))
        for index in range(chunks):
            manager.update_chunk_complete(index, {"text": "x" * 50})


def aside(folder: Path) -> list[str]:
    """What was moved aside, by content."""
    return [path.read_text() for path in sorted(folder.glob("state.json.replaced-*"))]


@pytest.mark.slow_variants
@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_a_torn_state_file_is_kept_and_hinders_nobody(tmp_path: Path, torn: str) -> None:
    """A torn state file is moved aside, its good ``.bak`` stays good, and the next programs open the store."""
    path = tmp_path / "state.json"
    begin(path, 2)
    path.write_text(torn)
    for index in (2, 3):
        with StateManager(path) as manager:
            manager.update_chunk_complete(index, "more")
    for copy in (path, path.with_suffix(".bak")):
        assert ProcessingState.from_json(copy.read_bytes()).job_id == "j"
    assert aside(tmp_path) == [torn]
    path.unlink()
    with StateManager(path) as manager:
        assert manager.has_incomplete_job()
    with CheckpointStore(path.with_suffix(".db")) as store:
        report = store.prune(older_than_days=0, dry_run=False)
    assert any("replaced" in file.name for file in report.files)
    assert aside(tmp_path) == []


def test_what_is_put_in_the_place_of_the_state_file_meanwhile_is_kept(manager: StateManager, tmp_path: Path) -> None:
    """An editor wrote half a file, or somebody saved another file under this name, while a program was at work."""
    manager.save(ProcessingState(file_name="a", total_chunks=5))
    for text in ("half of", '{"name": "my-package"}'):
        manager.state_path.write_text(text)
        manager.set_status("running")
        assert ProcessingState.from_json(manager.state_path.read_bytes()).status == "running"
        assert aside(tmp_path)[-1] == text
    manager.set_status("paused")
    assert ProcessingState.from_json(manager.state_path.with_suffix(".bak").read_bytes()).status == "running"


def test_a_strangers_bak_says_what_to_do(tmp_path: Path) -> None:
    """Nobody replaces it unasked; moved away, it hinders nobody."""
    path = tmp_path / "state.json"
    begin(path, 2)
    path.with_suffix(".bak").write_text("a drawing")
    with pytest.raises(StoreTargetError, match="move it away"):
        StateManager(path).load()
    assert path.with_suffix(".bak").read_text() == "a drawing"
    path.with_suffix(".bak").rename(tmp_path / "drawing")
    with StateManager(path) as manager:
        assert manager.has_incomplete_job()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".json", ".bak"])
def test_where_only_a_torn_state_is_left_the_error_says_how_to_go_on(tmp_path: Path, suffix: str) -> None:
    """Nothing is touched before that; what the error names brings back the results before the tear."""
    path = tmp_path / "state.json"
    begin(path, 3)
    text = path.read_bytes()
    for file in tmp_path.iterdir():
        file.unlink()
    torn = path.with_suffix(suffix)
    torn.write_bytes(text[: text.rindex(b"xx")])
    with pytest.raises(StateFormatError, match=r"recover_store\('.*state.db', accept_loss=True\)") as caught:
        StateManager(path).load()
    assert (caught.value.path, list(tmp_path.iterdir())) == (str(torn), [torn])
    recover_store(tmp_path / "state.db", accept_loss=True)
    with StateManager(path) as manager:
        state = manager.load()
    assert state is not None
    assert sorted(state.results()) == [0, 1]


def of_the_plan(**changes: Any) -> dict[str, Any]:
    """What the plan's code writes."""
    moment = "2025-07-01T10:00:00.123456"
    return {
        "version": "1.0",
        "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
        "status": "running",
        "file_name": "talk.srt",
        "video_title": "",
        "model": "",
        "provider": "",
        "total_chunks": 4,
        "completed_chunks": [0],
        "processed_results": [{"chunk_index": 0, "t": "a"}],
        "started_at": moment,
        "updated_at": moment,
        "error_message": None,
        "config": {},
    } | changes


TWO = {"completed_chunks": [0, 1], "processed_results": [{"chunk_index": 0, "t": "a"}, {"chunk_index": 1, "t": "b"}]}


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"note": "mine"}, "note is not a field of a state; the fields are version, job_id, .*config, result_indices"),
        ({"status": "done"}, "status is 'done'"),
        ({"total_chunks": 1}, "total_chunks is 1"),
        (
            {"processed_results": [{"t": "a"}, {"t": float("nan")}]},
            r"holds NaN.*\['processed_results'\]\[1\]\['t'\]: write null",
        ),
        ({"processed_results": [{"t": "a"}, {"t": 7.5}]}, "holds 1e999"),
    ],
    ids=["a field more", "a status of another program", "too few chunks", "NaN", "too large"],
)
def test_an_entry_that_is_wrong_hides_behind_no_older_state(
    tmp_path: Path, changes: dict[str, Any], entry: str
) -> None:
    """The newest chunk is in the state file alone: it is not replaced by ``.bak``, and the error names the entry."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps(of_the_plan(**TWO | changes), indent=2).replace("7.5", "1e999"))
    path.with_suffix(".bak").write_text(json.dumps(of_the_plan(), indent=2))
    before = snapshot(tmp_path)
    with pytest.raises(StateFormatError, match=f"(?s){entry}.*mend the state file by hand") as caught:
        StateManager(path).load()
    assert caught.value.path == str(path)
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1
    assert snapshot(tmp_path) == before
    path.write_text(json.dumps(of_the_plan(**TWO), indent=2))
    with StateManager(path) as manager:
        assert manager.has_incomplete_job()


@pytest.mark.parametrize("has_store", [False, True])
def test_a_torn_state_is_kept_where_its_bak_is_taken_in(tmp_path: Path, has_store: bool) -> None:
    """What is whole of it is taken in, too; it may end with half a result, and the warning says where it is now."""
    path = tmp_path / "state.json"
    if has_store:
        CheckpointStore(path.with_suffix(".db"), state_file=None).close()
    torn = json.dumps(of_the_plan(**TWO), indent=2)[:-30]
    path.write_text(torn)
    path.with_suffix(".bak").write_text(json.dumps(of_the_plan(), indent=2))
    manager = StateManager(path)
    with pytest.warns(
        StoreRecovered, match=r"is not JSON.*moved to state\.json\.corrupt-.*with 1 result.*2 completed chunks"
    ) as caught:
        state = manager.load()
    assert len(caught) == 1
    assert state is not None
    assert state.results() == dict(enumerate(TWO["processed_results"]))
    manager.set_status("paused")
    manager.close()
    assert [file.read_text() for file in tmp_path.glob("state.json.corrupt-*")] == [torn]
    assert ProcessingState.from_json(path.read_bytes()).status == "paused"


@pytest.fixture
def torn_ahead(tmp_path: Path) -> Path:
    """An older copy of a store, beside the torn state file of the job as it went on, and the ``.bak`` before it."""
    path, older = tmp_path / "state.json", tmp_path / "older"
    begin(path, 2)
    older.mkdir()
    for copy in (path, path.with_suffix(".db")):
        shutil.copy(copy, older)
    with StateManager(path) as manager:
        manager.update_chunk_complete(2, "more")
    (older / "state.json").rename(older / "state.bak")
    (older / "state.json").write_bytes(path.read_bytes()[:-30])
    return older / "state.json"


def test_a_torn_state_file_that_knows_more_than_the_store_is_taken_in(torn_ahead: Path) -> None:
    """With its ``.bak``: no result that is whole is paid for again, and a warning names what was moved aside."""
    manager = StateManager(torn_ahead)
    with pytest.warns(StoreRecovered, match=r"moved to state\.json\.corrupt-.*with 1 result that only the torn file"):
        results = loaded(manager).results()
    assert list(results) == [0, 1, 2]
    manager.close()
    with StateManager(torn_ahead) as again:
        assert loaded(again).results() == results


def test_a_torn_state_file_that_knows_more_than_the_store_alone_says_how_to_go_on(torn_ahead: Path) -> None:
    """Without a ``.bak`` of its job nothing is changed, and what the error names takes in what is whole."""
    torn_ahead.with_suffix(".bak").write_text(ProcessingState(job_id="other").to_json())
    with pytest.raises(StateFormatError, match=r"is not JSON.*No copy of it reads: .*recover_store\("):
        StateManager(torn_ahead).load()
    recover_store(torn_ahead.with_suffix(".db"), accept_loss=True)
    with StateManager(torn_ahead) as manager:
        assert list(loaded(manager).results()) == [0, 1, 2]
