"""A state file that is torn, or no state file at all: nothing of it is lost, and a program can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import (
    CheckpointStore,
    ProcessingState,
    StateFormatError,
    StateManager,
    StoreTargetError,
    recover_store,
)

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


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_a_torn_state_file_is_kept_and_hinders_nobody(tmp_path: Path, torn: str) -> None:
    """It lies beside a good ``.bak``, which stays good; the next programs open the store as ever."""
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
