"""A state file that a program keeps by hand, without a store: every command says what it is, and what takes it over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StateManager, StoreTargetError

if TYPE_CHECKING:
    from .conftest import Folder

STATE = ".processing_state.json"


@pytest.fixture
def by_hand(folder: Folder) -> Folder:
    """A folder with the state file that the code of the original plan writes, half done."""
    state = {
        "version": "1.0",
        "job_id": "0b1c2d3e-0000-4000-8000-000000000001",
        "status": "running",
        "file_name": "talk.txt",
        "total_chunks": 2,
        "completed_chunks": [0],
        "processed_results": [{"chunk_index": 0, "cleaned_text": "We choose."}],
        "started_at": "2026-01-31T10:00:00",
        "updated_at": "2026-01-31T10:05:00",
    }
    folder.write(STATE, json.dumps(state, indent=2))
    return folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("list",), ("show",), ("doctor",), ("errors",)], ids=" ".join)
def test_a_reading_command_says_what_the_file_is_and_what_takes_it_over(
    by_hand: Folder, words: tuple[str, ...]
) -> None:
    """Nothing was lost, so nothing is to be recovered; the line that it prints works, and the job is in the store."""
    before = by_hand.read(STATE)
    said = by_hand.run(*words, code=2).stderr.rstrip()
    assert f"{STATE} is there: a state file that a program keeps by hand, without a store" in said
    assert "recover" not in said
    assert (by_hand.files(), by_hand.read(STATE)) == ({STATE}, before)
    line = said.partition("take its job into a store: checkpoint-store ")[2]
    by_hand.run(*line.split())
    (job,) = by_hand.json("list")["jobs"]
    assert (job["file_name"], job["completed_chunks"], job["total_chunks"]) == ("talk.txt", 1, 2)


def test_the_library_names_the_call(by_hand: Folder) -> None:
    """A store that is opened only to read takes nothing over."""
    with pytest.raises(StoreTargetError, match=r"keeps by hand, .*CheckpointStore\('.*'\)\.import_state\('.*json'\)$"):
        CheckpointStore(by_hand.path / ".processing_state.db", read_only=True)


def test_plan_says_that_run_takes_it_over(by_hand: Folder) -> None:
    """Plan itself begins no store."""
    by_hand.write("talk.txt", "We choose.")
    said = by_hand.run("plan", "talk.txt").stderr
    assert f"{STATE} is there: a state file that a program keeps by hand, without a store; run takes its job" in said
    assert by_hand.files() == {STATE, "talk.txt"}


@pytest.mark.parametrize("words", [("list",), ("show",), ("run", "talk.txt"), ("import", STATE)], ids=" ".join)
def test_the_entry_that_is_missing_is_named(by_hand: Folder, words: tuple[str, ...]) -> None:
    """A program may have written no ``job_id``: each command names file and entry, and the file stays."""
    by_hand.write("talk.txt", "We choose.")
    state = json.loads(by_hand.read(STATE))
    del state["job_id"]
    by_hand.write(STATE, json.dumps(state))
    said = by_hand.run(*words, code=2).stderr
    assert STATE in said
    assert "job_id" in said
    assert "something else" not in said
    assert "begin one" not in said
    assert json.loads(by_hand.read(STATE)) == state


def test_the_manager_names_the_entry_that_is_missing(by_hand: Folder) -> None:
    """``StateManager.load`` names the entry that a state file lacks, and says to write it into the file."""
    state = json.loads(by_hand.read(STATE))
    del state["job_id"]
    by_hand.write(STATE, json.dumps(state))
    with pytest.raises(StoreTargetError, match="it has no job_id: write this entry into it"):
        StateManager(by_hand.path / STATE).load()
