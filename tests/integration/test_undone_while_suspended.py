"""A plan is edited, and the edit undone, while a loop over the first job waits in the body of its caller."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import StoreBusy
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore, Job

CHUNKS = list("abcd")
paid: Counter[str] = Counter()


def work(text: str) -> dict[str, Any]:
    """Pay for a chunk."""
    paid[text] += 1
    return {"text": text}


def by_map(job: Job) -> Iterator[object]:
    """Work off a job by its own loop."""
    yield from job.map(work)


def by_hand(job: Job) -> Iterator[object]:
    """Work off a job by a loop of the caller's."""
    for chunk in job.pending():
        chunk.complete(work(chunk.data))
        yield chunk.index


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("loop", [by_map, by_hand])
def test_a_chunk_that_the_edited_job_paid_for_is_not_paid_for_again(
    store: CheckpointStore, loop: Any, *, sequential: bool
) -> None:
    """The completion before had claimed the next chunk for the waiting loop; the opening gives it its result anyway."""
    paid.clear()
    plan: dict[str, Any] = {"sequential": sequential, "on_change": "reuse"}
    waiting = loop(store.open_job("talk.txt", chunks=CHUNKS, **plan))
    next(waiting)
    next(waiting)
    store.map(work, [*CHUNKS, "e"], file_name="talk.txt", **plan)
    job = store.open_job("talk.txt", chunks=CHUNKS, **plan)
    assert (list(waiting), job.remaining(), job.status) == ([], [], "completed")
    assert paid == Counter("abcde")


def test_a_write_in_another_thread_does_not_keep_the_result_from_the_job(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claimed chunk is freed by the opening itself, also where nothing else can be written just before."""
    paid.clear()
    plan: dict[str, Any] = {"on_change": "reuse"}
    waiting = by_map(store.open_job("talk.txt", chunks=CHUNKS, **plan))
    next(waiting)
    next(waiting)
    open_store().map(work, [*CHUNKS, "e"], file_name="talk.txt", **plan)

    def busy(*_: object) -> None:
        raise StoreBusy(store.path, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(ClaimStorage, "release", busy)
        job = store.open_job("talk.txt", chunks=CHUNKS, **plan)
    assert (list(waiting), job.remaining()) == ([], [])
    assert paid == Counter("abcde")


@pytest.mark.parametrize("ordered", [False, True])
def test_an_edited_plan_waits_for_the_calls_in_flight_and_pays_for_none_of_them(
    store: CheckpointStore, *, ordered: bool
) -> None:
    """The loop of the first plan waits in the body of its caller; its calls are recorded before the edited job opens."""
    paid.clear()
    release = threading.Event()

    def slow(text: str) -> dict[str, Any]:
        if text != "a":
            release.wait(60)
        return work(text)

    waiting = store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse").map(slow, workers=4, ordered=ordered)
    first = next(waiting)
    release.set()
    store.map(work, [*CHUNKS, "e"], file_name="talk.txt", on_change="reuse")
    assert paid == Counter("abcde")
    assert [first.index, *sorted(item.index for item in waiting)] == [0, 1, 2, 3]


def test_the_opening_of_another_file_waits_for_no_call_in_flight(store: CheckpointStore) -> None:
    """A loop over one file opens jobs of other files in its body, and its calls go on meanwhile."""
    release = threading.Event()
    waiting = store.open_job("talk.txt", chunks=CHUNKS).map(lambda text: text == "a" or release.wait(60), workers=4)
    next(waiting)
    store.open_job("other.txt", chunks=CHUNKS, on_change="reuse")
    store.open_job("talk.txt", chunks=CHUNKS)
    store.open_job("talk.txt", chunks=CHUNKS, model="another", on_change="reuse")
    release.set()
    assert len(list(waiting)) == 3


@pytest.mark.slow
def test_an_error_of_a_call_in_flight_ends_its_own_loop_and_not_the_opening(store: CheckpointStore) -> None:
    """The loop raises the error of the call when it goes on."""
    release = threading.Event()

    def fails(text: str) -> str:
        if text != "a" and release.wait(60):
            raise ValueError(text)
        return text

    waiting = store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse").map(fails, workers=4)
    next(waiting)
    release.set()
    assert store.open_job("talk.txt", chunks=[*CHUNKS, "e"], on_change="reuse").remaining() == [range(1, 5)]
    with pytest.raises(ValueError, match=r"[bcd]"):
        list(waiting)


@pytest.mark.slow
@pytest.mark.parametrize("loop", [by_map, by_hand])
def test_another_process_that_edits_the_plan_and_undoes_that_gives_its_results_to_the_waiting_loop(
    store: CheckpointStore, children: Children, loop: Any
) -> None:
    """The waiting loop has claimed chunks that it has not begun; the opening by another process completes them."""
    paid.clear()
    waiting = loop(store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse"))
    next(waiting)
    next(waiting)
    children.run(program(__file__, "edit_and_undo"), store.path, *CHUNKS)
    assert (list(waiting), paid) == ([], Counter("ab"))


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("loop", [by_map, by_hand])
def test_a_late_result_of_the_replaced_job_is_there_for_the_first_loop_of_the_edited_job(
    store: CheckpointStore, loop: Any, *, sequential: bool
) -> None:
    """A chunk in hand is completed after the edited plan was opened, and the edited job does not pay for it again."""
    paid.clear()
    plan: dict[str, Any] = {"sequential": sequential, "on_change": "reuse"}
    chunk = next(store.open_job("talk.txt", chunks=CHUNKS, **plan).pending())
    edited = store.open_job("talk.txt", chunks=[*CHUNKS, "e"], **plan)
    chunk.complete(work(chunk.data))
    list(loop(edited))
    assert (paid, edited.status) == (Counter("abcde"), "completed")
    assert next(edited.results()) == {"text": "a"}


def test_a_loop_that_finds_every_result_at_its_beginning_completes_its_job(store: CheckpointStore) -> None:
    """Nothing is left to do, so the job and its state file are completed although no chunk of it ran."""
    chunk = next(store.open_job("talk.txt", chunks=["a"], on_change="reuse").pending())
    edited = store.open_job("talk.txt", chunks=["a", "a"], on_change="reuse")
    chunk.complete({"text": "a"})
    assert list(edited.pending()) == []
    assert (edited.status, edited.remaining()) == ("completed", [])
    assert json.loads(store.path.with_suffix(".json").read_text())["status"] == "completed"


def test_a_file_that_is_gone_at_the_second_look_keeps_no_earlier_chunk_from_its_work(
    store: CheckpointStore, tmp_path: Path
) -> None:
    """The chunks are files that the caller's function identifies: the loop ends at the one that is gone."""
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    plan: dict[str, Any] = {"on_change": "reuse", "fingerprint": Path.read_text}
    late = next(store.open_job("talk.txt", chunks=paths[:2], **plan).pending())
    edited = store.open_job("talk.txt", chunks=paths, **plan)
    late.complete("a")
    paths[2].unlink()
    done = []
    with pytest.raises(FileNotFoundError):
        for item in edited.map(Path.read_text):
            done.append(item.index)
    assert done == [0, 1]
