"""The same calls to this library's StateManager and to the plan's own: equal wherever the plan keeps its promise."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from checkpoint_store import JobNotFound, ProcessingState, StateManager

from .plan_double import PlanManager, PlanState

TOTAL = 5
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
jobs = st.fixed_dictionaries(
    {"job_id": st.sampled_from(["one", "two"]), "status": st.sampled_from(["pending", "running"])},
    optional={
        "file_name": texts,
        "video_title": texts,
        "model": texts,
        "total_chunks": st.integers(0, TOTAL),
        "config": st.dictionaries(texts, st.integers() | texts | st.lists(texts, max_size=2), max_size=2),
    },
)
payloads = st.dictionaries(st.sampled_from(["text", "cost", "span"]), st.integers() | texts | st.booleans(), max_size=2)
statuses = st.sampled_from(["pending", "running", "paused", "completed", "failed"])


class Both(RuleBasedStateMachine):
    """Every call goes to both. ``first`` is from where results number their chunks, as processors differ in that."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="plan-"))
        self.plan = PlanManager(self.folder / "plan.json")
        self.ours = self._manager()
        self.first = 0
        self.latest: dict[int, Any] = {}
        """What the last call said of each chunk of the current job: where the plan has two, its caller wants this."""
        self.recorded_again = False

    def _manager(self) -> StateManager:
        return StateManager(self.folder / "ours" / "state.json", durability="process")

    def teardown(self) -> None:
        self.ours.close()
        shutil.rmtree(self.folder)

    # -- what a processor does

    @rule(fields=jobs, first=st.sampled_from([0, 1, 100]))
    def begin(self, fields: dict[str, Any], first: int) -> None:
        """Another job takes the place of the current one. (This library would keep the chunks of the same one.)"""
        self.clear()
        self.first, self.latest, self.recorded_again = first, {}, False
        self.plan.save(PlanState(**json.loads(json.dumps(fields))))
        self.ours.save(ProcessingState(**fields))

    @precondition(lambda self: self.plan.load() is not None)
    @rule(index=st.integers(0, TOTAL - 1), payload=payloads, data=st.data())
    def record(self, index: int, payload: dict[str, Any], data: st.DataObject) -> None:
        """A chunk by number: by the call for it, or by loading, changing and saving."""
        known = self._plan()
        if index >= known.total_chunks or known.status == "paused":  # a pause is kept here, and lost there
            return
        result = {"chunk_index": index + self.first, **payload}
        if index in self.latest or data.draw(st.booleans()):
            self.recorded_again |= index in self.latest
            self.plan.update_chunk_complete(index, result)
            self.ours.update_chunk_complete(index, result)
            if len(self._plan().completed_chunks) == known.total_chunks:
                # The last chunk completes a job here; the plan leaves that to its caller.
                state = self._ours()
                assert state.status in ("running", "completed")
                self.plan.set_status(state.status, state.error_message)
        else:
            known.completed_chunks.append(index)
            known.processed_results.append(result)
            self.plan.save(known)
            state = self._ours()
            if data.draw(st.booleans()):
                state = state.replace(
                    completed_chunks=[*state.completed_chunks, index],
                    processed_results=[*state.processed_results, result],
                )
            else:
                plain = state.to_dict()
                plain["completed_chunks"].append(index)
                plain["processed_results"].append(result)
                state = ProcessingState.from_dict(plain)
            self.ours.save(state)
        self.latest[index] = result

    @precondition(lambda self: self.plan.load() is not None)
    @rule(status=statuses, error=st.none() | texts.filter(str.isprintable))
    def say(self, status: str, error: str | None) -> None:
        self.plan.set_status(status, error)
        self.ours.set_status(status, error)

    @precondition(lambda self: self.plan.load() is not None)
    @rule(more=st.integers(0, 2), title=texts)
    def change(self, more: int, title: str) -> None:
        """Fields by assignment there, by replace() here."""
        state = self._plan()
        state.total_chunks, state.video_title = state.total_chunks + more, title
        self.plan.save(state)
        self.ours.save(self._ours().replace(total_chunks=state.total_chunks, video_title=title))

    @rule()
    def clear(self) -> None:
        self.plan.clear()
        self.ours.clear()

    @rule()
    def reopen(self) -> None:
        self.ours.close()
        self.ours = self._manager()

    @precondition(lambda self: self.plan.load() is not None and not self.recorded_again)
    @rule()
    def move_over(self) -> None:
        """The processor changes libraries: what the plan wrote is imported by this one.

        The plan's last chunk leaves its job running; the import completes it. A status that was set afterwards stays.
        """
        known = self._plan()
        if known.status == "running" and 0 < len(known.completed_chunks) == known.total_chunks:
            self.plan.set_status("completed")
        self.ours.clear()
        self.ours.close()
        shutil.rmtree(self.folder / "ours", ignore_errors=True)
        (self.folder / "ours").mkdir()
        moment = {"version": "1.0", "started_at": "2025-01-01T00:00:00", "updated_at": "2025-01-01T00:00:00"}
        (self.folder / "ours" / "state.json").write_text(json.dumps(self._plan().__dict__ | moment, indent=2))
        self.ours = self._manager()

    @precondition(lambda self: self.plan.load() is None)
    @rule()
    def without_a_job(self) -> None:
        """Here the plan does nothing in silence, and this library says so."""
        self.plan.update_chunk_complete(0, {})
        for call in (lambda: self.ours.update_chunk_complete(0, {}), lambda: self.ours.set_status("paused")):
            with pytest.raises(JobNotFound, match="save a state first"):
                call()

    # -- what has to be equal

    def _plan(self) -> PlanState:
        state = self.plan.load()
        assert state is not None
        return state

    def _ours(self) -> ProcessingState:
        state = self.ours.load()
        assert state is not None
        return state

    @invariant()
    def the_same_is_loaded(self) -> None:
        known, state = self.plan.load(), self.ours.load()
        assert (known is None) == (state is None)
        if known is None or state is None:
            return
        for name in ("job_id", "file_name", "video_title", "model", "provider", "total_chunks", "config"):
            assert getattr(state, name) == getattr(known, name), name
        assert sorted(state.completed_chunks) == sorted(known.completed_chunks)
        assert state.results() == self.latest
        assert all(result in known.processed_results for result in state.processed_results)
        assert (state.status, state.error_message) == (known.status, known.error_message)
        assert state.is_resumable == known.is_resumable
        assert self.ours.has_incomplete_job() == self.plan.has_incomplete_job()

    @invariant()
    def the_state_file_shows_the_job(self) -> None:
        path = self.folder / "ours" / "state.json"
        state = self.ours.load()
        if state is not None and path.exists():
            shown = ProcessingState.from_json(path.read_bytes())
            assert shown.job_id == state.job_id
            assert set(shown.completed_chunks) <= set(state.completed_chunks)


class TestBoth(Both.TestCase):
    """A few dozen calls, in five orders."""

    settings = settings(max_examples=5, stateful_step_count=25, deadline=None)


@pytest.mark.storm
@pytest.mark.timeout(3600)
class TestBothForLong(Both.TestCase):
    """The same, a thousand times."""

    settings = settings(max_examples=1000, stateful_step_count=50, deadline=None)
