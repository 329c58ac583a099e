"""The folder of a store is removed while somebody works: what was paid for is kept, and the new store takes it in."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StateManager, StorageUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

PLAN: dict[str, Any] = {"chunks": ["a", "b", "c"], "model": "small"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a store in a folder of its own."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / "talk.db"


def leave_b(path: Path, **plan: Any) -> None:
    """Remove the folder while the loop works on the second chunk, and make the folder anew."""

    def work(text: str) -> str:
        if text == "b":
            shutil.rmtree(path.parent)
        return text.upper()

    with pytest.raises(StorageUnavailableError), CheckpointStore(path) as store:
        list(store.open_job("talk.srt", **plan).map(work))
    path.parent.mkdir()


def test_a_new_store_takes_in_the_answer_for_the_same_plan(path: Path, temporary: Path) -> None:
    """`rm -rf` by mistake: the answer that came home after it is not paid for again."""
    leave_b(path, **PLAN)
    assert len(list(temporary.rglob("*.unrecorded-*"))) == 1
    paid: list[str] = []

    def work(text: str) -> str:
        paid.append(text)
        return text.upper()

    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", **PLAN)
        list(job.map(work))
        assert list(job.results()) == ["A", "B", "C"]
    assert paid == ["a", "c"]
    assert list(temporary.rglob("*.unrecorded-*")) == []


OTHERS: dict[str, dict[str, Any]] = {
    "another model": {"model": "large"},
    "another text": {"chunks": ["a", "x", "c"]},
    "another place": {"chunks": ["b", "a", "c"]},
    "a number": {"chunks": None, "total_chunks": 3},
    "an order": {"sequential": True},
}


@pytest.mark.slow_variants
@pytest.mark.parametrize("other", OTHERS)
def test_another_plan_takes_in_nothing(path: Path, temporary: Path, other: str) -> None:
    """The answer was made for other work: it stays in its file, which the log names."""
    leave_b(path, **PLAN)
    with CheckpointStore(path) as store:
        assert list(store.open_job("talk.srt", **PLAN | OTHERS[other]).items()) == []
    assert len(list(temporary.rglob("*.unrecorded-*"))) == 1


def test_a_sequential_job_takes_in_nothing(path: Path, temporary: Path) -> None:
    """The answer was made from the answer before it, and that one is lost."""
    leave_b(path, **PLAN, sequential=True)
    with CheckpointStore(path) as store:
        assert list(store.open_job("talk.srt", **PLAN, sequential=True).items()) == []
    assert len(list(temporary.rglob("*.unrecorded-*"))) == 1


def test_an_own_loop_keeps_its_answer_at_once(path: Path, temporary: Path) -> None:
    """Before the store is closed: a kill may come. The error names the file; to try again keeps nothing twice."""
    store = CheckpointStore(path)
    chunk = next(store.open_job("talk.srt", **PLAN).pending())
    shutil.rmtree(path.parent)
    for _ in range(2):
        with pytest.raises(StorageUnavailableError) as caught:
            chunk.complete("A")
    (file,) = temporary.rglob("*.unrecorded-*")
    assert str(file) in "\n".join(caught.value.__notes__)
    with pytest.raises(StorageUnavailableError):
        store.close()
    path.parent.mkdir()
    with CheckpointStore(path) as new:
        assert list(new.open_job("talk.srt", **PLAN).items()) == [(0, "A")]
    assert list(temporary.rglob("*.unrecorded-*")) == []


def test_a_manager_keeps_its_answer(path: Path, temporary: Path) -> None:
    """The error names the file that has the answer."""
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=2)
    with pytest.raises(StorageUnavailableError), StateManager(path.with_suffix(".json")) as manager:
        manager.update_chunk_complete(0, "first")
        shutil.rmtree(path.parent)
        with pytest.raises(StorageUnavailableError) as caught:
            manager.update_chunk_complete(1, "unmistakable")
        (file,) = temporary.rglob("*.unrecorded-*")
        assert str(file) in "\n".join(caught.value.__notes__)
        assert "unmistakable" in file.read_text()


def test_an_answer_that_stays_costs_no_look_at_chunks_that_it_cannot_be_for(path: Path, temporary: Path) -> None:
    """Each opening of a large job is as fast as without the file."""
    looked_at: list[str] = []

    def fingerprint(text: str) -> str:
        looked_at.append(text)
        return text

    def looks(*completed: int) -> list[str]:
        looked_at.clear()
        with CheckpointStore(path) as store:
            job = store.open_job("talk.srt", chunks=["a", "x", "c", "d"], model="small", fingerprint=fingerprint)
            looks = looked_at[:]
            job.complete_many([(index, "done") for index in completed])
        return looks

    leave_b(path, **PLAN, fingerprint=fingerprint)
    assert looks(1) == ["a", "x", "c", "d", "a", "x"]
    assert looks() == ["a", "x", "c", "d"]
    assert len(list(temporary.rglob("*.unrecorded-*"))) == 1
