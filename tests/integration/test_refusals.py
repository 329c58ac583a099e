"""A refused plan says what each choice would keep, and keeps nobody from recording a result meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, PlanChanged
from checkpoint_store.model.plan import Plan
from checkpoint_store.storage import storage
from checkpoint_store.storage.statements.plans.refusal import KeptCounts, refusal
from checkpoint_store.storage.statements.plans.stored_results import StoredResults
from checkpoint_store.storage.verbs import jobs

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records.open_requests import OpenRequest

TALK = ["a", "b", "b", "c", "d"]
NAMES = ("model", "provider", "config", "config.tone", "config.limits.tokens")


def test_others_record_results_while_a_plan_is_refused(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """To count what each choice keeps takes a second for 100,000 chunks: another store object completes meanwhile."""
    store.open_job("talk.srt", chunks=TALK, model="A").complete(0, "paid for")

    def with_another_at_work(*arguments: Any) -> PlanChanged:
        with CheckpointStore(store.path, state_file=None, lock_timeout_seconds=0.0) as other:
            other.open_job("other.srt", chunks=["x"]).complete(0, "recorded meanwhile")
        return refusal(*arguments)

    monkeypatch.setattr(jobs, "refusal", with_another_at_work)
    with pytest.raises(PlanChanged) as caught:
        store.open_job("talk.srt", chunks=TALK, model="B")
    assert caught.value.choices == ((("model",), 1),)
    assert list(store.job("other.srt").results()) == ["recorded meanwhile"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
def test_a_choice_keeps_what_its_refusal_says(store: CheckpointStore, *, sequential: bool) -> None:
    """The counts of a refusal are those of a search, for every set of settings that may be ignored."""

    def done(chunks: list[str], count: int, **plan: Any) -> None:
        job = store.open_job("talk.srt", chunks=chunks, sequential=sequential, on_change="reuse", **plan)
        for index in sorted(set(range(count)).difference(index for index, _ in job.items())):
            job.complete(index, f"{index}")

    done(TALK, 1, model="A", provider="P", config={"tone": "kind", "limits": {"tokens": 1}})
    done(TALK[:4], 3, model="B", provider="P", reuse_ignoring=["model", "config"])
    done(TALK, 2, model="B", provider="Q", config={"tone": "terse", "limits": {"tokens": 2}})
    done([*TALK[:2], "x"], 2, model="A", provider="Q", config={"tone": "kind", "limits": {"tokens": 2}})
    done(TALK[1:], 3, model="A", provider="Q", reuse_ignoring=["provider"])
    request = _request(store, sequential=sequential)

    def compared(connection: sqlite3.Connection) -> list[tuple[set[int], set[int]]]:
        counts = KeptCounts(StoredResults(connection, request, store.path), request)
        sets = map(frozenset, chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1)))
        ignoring = {names: replace(request, reuse_ignoring=names) for names in sets}
        searches = {names: StoredResults(connection, request, store.path) for names, request in ignoring.items()}
        return [(counts.indices(names), set(stored.reusable())) for names, stored in searches.items()]

    pairs = store._context.storage.database.read(compared)  # type: ignore[union-attr]
    assert [counted for counted, _ in pairs] == [searched for _, searched in pairs]
    assert len({len(counted) for counted, _ in pairs}) > 2


def _request(store: CheckpointStore, *, sequential: bool) -> OpenRequest:
    """The request of a plan that was not opened yet."""
    config = {"tone": "kind", "limits": {"tokens": 2}}
    requests: list[OpenRequest] = []
    plan = {"model": "B", "provider": "P", "config": config, "sequential": sequential}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.open_job, "open_job", lambda _, request, __: requests.append(request))
        with pytest.raises(AttributeError):
            store.open_job("talk.srt", chunks=TALK, **plan)  # type: ignore[arg-type]
    assert isinstance(requests[0].plan, Plan)
    return requests[0]


def test_other_threads_begin_chunks_while_a_plan_is_refused(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop of the same store object goes on meanwhile: a begin waits for the decision, and not for the counts."""
    store.open_job("talk.srt", chunks=TALK, model="A").complete(0, "paid for")
    other, begun = store.open_job("other.srt", chunks=["x"]), threading.Event()

    def work(text: str) -> str:
        begun.set()
        return text

    loop = threading.Thread(target=lambda: list(other.map(work)))

    def with_another_at_work(*arguments: Any) -> PlanChanged:
        loop.start()
        assert begun.wait(60)
        return refusal(*arguments)

    monkeypatch.setattr(jobs, "refusal", with_another_at_work)
    with pytest.raises(PlanChanged):
        store.open_job("talk.srt", chunks=TALK, model="B")
    loop.join(60)


def test_results_of_an_older_job_are_offered_by_place(store: CheckpointStore) -> None:
    """Where the newest job has another number of chunks, and an older one under another model fits: it was paid for."""
    store.open_job("talk.srt", total_chunks=3, model="A").complete_many((index, "paid for") for index in range(3))
    store.open_job("talk.srt", total_chunks=2, model="B", on_change="restart").complete(0, "cut off")
    with pytest.raises(PlanChanged) as caught:
        store.open_job("talk.srt", total_chunks=3, model="B")
    assert caught.value.choices == ((("model", "chunks"), 3),)
    assert caught.value.kept_by_place == 3
    reused = store.open_job(
        "talk.srt", total_chunks=3, model="B", on_change="reuse", reuse_ignoring=caught.value.ignoring
    )
    assert list(reused.results()) == ["paid for"] * 3


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
def test_what_is_to_be_done_again_is_not_kept(store: CheckpointStore, *, sequential: bool) -> None:
    """The numbers of a refusal are those of the plan that follows: what is left of the chunks will be paid for."""
    plan: dict[str, Any] = {"file_name": "talk.srt", "sequential": sequential}
    store.map(str.upper, TALK[:4], model="A", **plan)
    store.job("talk.srt").redo([2, 3])
    longer: dict[str, Any] = plan | {"chunks": TALK}
    for model, ignoring in (("A", ()), ("B", ("model",))):
        with pytest.raises(PlanChanged) as caught:
            store.open_job(model=model, **longer)
        run_plan = store.plan(model=model, on_change="reuse", reuse_ignoring=ignoring, **longer)
        kept = dict(caught.value.choices).get(ignoring, caught.value.reusable_results)
        assert (kept, run_plan.chunks_to_do) == (2, 3)
    with pytest.raises(PlanChanged, match="keeps 2 results"):
        store.open_job(model="A", **longer)


def test_a_choice_that_keeps_nothing_but_what_is_to_be_done_again_is_not_offered(store: CheckpointStore) -> None:
    """Results that only their places identify count in the same way."""
    store.open_job("talk.srt", total_chunks=3, model="A").complete_many((index, "paid for") for index in range(3))
    store.job("talk.srt").redo([0, 2])
    with pytest.raises(PlanChanged) as caught:
        store.open_job("talk.srt", chunks=TALK[:3], model="B")
    assert (caught.value.choices, caught.value.kept_by_place) == (((("model", "chunks"), 1),), 1)
    store.job("talk.srt").redo([1])
    with pytest.raises(PlanChanged) as caught:
        store.open_job("talk.srt", chunks=TALK[:3], model="B")
    assert (caught.value.choices, caught.value.kept_by_place) == ((), 0)
