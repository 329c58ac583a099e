"""One state file for two inputs in turn: whoever begins the first one again is told of the results that are there."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager

if TYPE_CHECKING:
    from conftest import ManagerOpener


def run(manager: StateManager, file_name: str, total: int, *, until: int) -> list[int]:
    """Run the loop of ``docs/from-the-plan.md`` as far as chunk ``until``; return the chunks that were paid for."""
    existing, paid = manager.load(), []
    if existing is None or (existing.file_name, existing.total_chunks) != (file_name, total):
        existing = ProcessingState(file_name=file_name, total_chunks=total)
    manager.save(existing.replace(status="running"))
    for index in range(until):
        if index not in existing.completed_chunks:
            manager.update_chunk_complete(index, {"text": file_name})
            paid.append(index)
    if until == total:
        manager.set_status("completed")
    manager.close()
    return paid


@pytest.fixture
def left(make_manager: ManagerOpener) -> str:
    """The id of the job of talk.txt, left with 4 of 6 chunks, after which other.txt was done to its end."""
    first = make_manager()
    run(first, "talk.txt", 6, until=4)
    state = first.load()
    first.close()
    run(make_manager(), "other.txt", 2, until=2)
    assert state is not None
    return state.job_id


def test_who_begins_an_unfinished_input_again_is_warned(
    make_manager: ManagerOpener, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, at the caller's line, and in the log as well; the call that it names goes on."""
    with pytest.warns(UserWarning, match=f"begins without results, while job {left} .* 4 of 6 chunks") as caught:
        run(make_manager(), "talk.txt", 6, until=1)
    (warning,) = caught
    assert warning.filename == __file__
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert logged == [str(warning.message)]
    assert f".job({left!r}).state()" in logged[0]


def test_where_that_warning_is_an_error_the_new_job_is_recorded(make_manager: ManagerOpener, left: str) -> None:
    """Calling again goes on with it: the warning comes last."""
    manager = make_manager()
    with pytest.raises(UserWarning, match=left):
        run(manager, "talk.txt", 6, until=6)
    shown = ProcessingState.from_json(manager.state_path.read_bytes())
    assert (shown.file_name, shown.status) == ("talk.txt", "running")
    assert run(manager, "talk.txt", 6, until=6) == list(range(6))


def test_the_call_of_the_page_goes_on_with_the_earlier_job(make_manager: ManagerOpener, left: str) -> None:
    """Nothing is paid for twice, and nobody is warned."""
    manager = make_manager()
    with CheckpointStore(manager.store_path) as store:
        existing = store.job("talk.txt").state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.save(existing.replace(status="running"))
        assert run(manager, "talk.txt", 6, until=6) == [4, 5]
    assert existing.job_id == left


def test_who_begins_a_complete_input_again_is_warned(
    make_manager: ManagerOpener, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, though its end was recorded: its input would be paid for again. The call that it names takes the results."""
    run(make_manager(), "talk.txt", 2, until=2)
    first = make_manager().load()
    assert first is not None
    run(make_manager(), "other.txt", 2, until=2)
    with pytest.warns(UserWarning, match=f"while job {first.job_id} .* has 2 of 2 chunks, and is complete") as caught:
        run(make_manager(), "talk.txt", 2, until=1)
    assert [warning.filename for warning in caught] == [__file__]
    assert caplog.text.count("begins without results") == 1
    run(make_manager(), "other.txt", 3, until=3)
    with pytest.raises(UserWarning, match=first.job_id):  # not the newer job, which has one result
        run(make_manager(), "talk.txt", 2, until=2)
    manager = make_manager()
    with CheckpointStore(manager.store_path) as store:
        existing = store.job(first.job_id).state()
    manager.save(existing.replace(status="running"))
    assert run(manager, "talk.txt", 2, until=2) == []
