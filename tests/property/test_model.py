"""A store beside a plain dict: whatever is done in whatever order, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from checkpoint_store import (
    CheckpointStore,
    ChunkAlreadyCompleted,
    ChunkNotCompleted,
    ChunkOutOfRange,
    Job,
    JobIncomplete,
    PlanChanged,
    ProcessingState,
)

if TYPE_CHECKING:
    from collections.abc import Collection

TEXTS = st.sampled_from(["", "a", "b", "c", "ä", "😀", "a ", "long " * 50])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3),
    max_leaves=6,
)
INDICES = st.integers(0, 9)


def exact(value: Any) -> str:
    """A text that differs where values differ, in type too."""
    return repr(value)


class Model(RuleBasedStateMachine):
    """The dict is ``done``: what each chunk's result is. The list is ``chunks``: the plan."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="checkpoint-store-model-"))
        self.store = self._open("talks.db")
        self.chunks: list[str] = []
        self.done: dict[int, Any] = {}
        self.earlier: dict[str, tuple[list[str], dict[int, Any]]] = {}
        """Chunks and results of the other jobs, the one opened last at the end."""
        self.reused: dict[str, bool] = {}
        """The jobs in the order of their beginnings, and whether each was begun with ``reuse``."""
        self.job: Job

    def _open(self, name: str) -> CheckpointStore:
        return CheckpointStore(self.folder / name, durability="process")

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize(chunks=st.lists(TEXTS, max_size=8))
    def begin(self, chunks: list[str]) -> None:
        self.chunks = chunks
        self.job = self._open_job()

    def _open_job(self, **options: Any) -> Job:
        job = self.store.open_job("lecture", chunks=list(self.chunks), model="m", config={"a": [1]}, **options)
        self.reused.setdefault(job.job_id, options.get("on_change") == "reuse")
        return job

    # -- what can be done

    @rule(index=INDICES, result=VALUES)
    def complete(self, index: int, result: Any) -> None:
        if index >= len(self.chunks):
            with pytest.raises(ChunkOutOfRange):
                self.job.complete(index, result)
        elif index in self.done and exact(self.done[index]) != exact(result):
            with pytest.raises(ChunkAlreadyCompleted):
                self.job.complete(index, result)
        else:
            self.job.complete(index, result)
            self.done[index] = result

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def complete_again(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.done)))
        self.job.complete(index, self.done[index])

    @rule(index=INDICES, result=VALUES)
    def replace(self, index: int, result: Any) -> None:
        if index < len(self.chunks):
            self.job.complete(index, result, replace=True)
            self.done[index] = result

    @rule(pairs=st.lists(st.tuples(INDICES, VALUES), max_size=5))
    def complete_many(self, pairs: list[tuple[int, Any]]) -> None:
        wanted = dict(self.done)
        error: type[Exception] | None = None
        if any(index >= len(self.chunks) for index, _ in pairs):
            error = ChunkOutOfRange
        for index, result in pairs:
            if exact(wanted.setdefault(index, result)) != exact(result):
                error = error or ChunkAlreadyCompleted
        if error is None:
            self.job.complete_many(pairs)
            self.done = wanted
        else:
            with pytest.raises(error):
                self.job.complete_many(pairs)

    @rule(count=st.integers(1, 4))
    def work(self, count: int) -> None:
        for chunk in self.job.pending():
            assert chunk.index not in self.done
            assert chunk.data == self.chunks[chunk.index]
            chunk.complete(chunk.data * 2)
            self.done[chunk.index] = chunk.data * 2
            count -= 1
            if not count:
                break

    @rule(how=st.sampled_from(["close", "leave open", "only the number"]))
    def reopen(self, how: str) -> None:
        if how == "close":
            self.store.close()
            self.store = self._open("talks.db")
        before = self.job.job_id
        if how == "only the number":
            self.job = self.store.open_job("lecture", total_chunks=len(self.chunks), model="m", config={"a": [1]})
        else:
            self.job = self._open_job()
        assert self.job.job_id == before
        assert self.job.status == ("completed" if len(self.done) == len(self.chunks) else "running")
        if how == "only the number":
            self.job = self._open_job()

    @rule()
    def finish(self) -> None:
        if len(self.done) < len(self.chunks):
            with pytest.raises(JobIncomplete):
                self.job.finish()
        else:
            self.job.finish()

    @rule(chunks=st.data())
    def edit_and_reuse(self, chunks: st.DataObject) -> None:
        edited = chunks.draw(st.permutations(self.chunks))[: chunks.draw(st.integers(0, 8))]
        edited[chunks.draw(st.integers(0, len(edited))) :] += chunks.draw(st.lists(TEXTS, max_size=2))
        if edited == self.chunks:
            return
        self._park()
        self.chunks = edited
        newest_first = list(reversed(self.earlier))
        very = next((job_id for job_id in newest_first if self.earlier[job_id][0] == edited), None)
        compared = next((job_id for job_id in newest_first if self.earlier[job_id][1]), None)
        if very is not None:
            self.job, done = self._open_job(), self.earlier.pop(very)[1]
            assert self.job.job_id == very
            self.done = self._kept(self._exchanging(very)) | done
        elif compared is None:
            self.job, self.done = self._open_job(), {}
            assert self.job.job_id not in self.earlier
        else:
            self._reuse(compared)

    # -- which results a job takes from others

    def _exchanging(self, back: str) -> list[str]:
        """Return the jobs with which a job that is back shares results: the later of the two was begun with reuse."""
        begun = list(self.reused)
        return [each for each in self.earlier if self.reused[max(each, back, key=begun.index)]]

    def _kept(self, givers: Collection[str]) -> dict[int, Any]:
        """Return the results of these earlier jobs whose chunks are in the job at hand, the newest first."""
        kept: dict[int, Any] = {}
        for chunks, done in reversed([self.earlier[job_id] for job_id in self.earlier if job_id in givers]):
            by_text: dict[str, list[int]] = {}
            for index in sorted(done):
                by_text.setdefault(chunks[index], []).append(index)
            for index, text in enumerate(self.chunks):
                if text in by_text and index not in kept:
                    kept[index] = done[index if index in by_text[text] else by_text[text][0]]
        return kept

    def _reuse(self, compared: str) -> None:
        kept = self._kept(self.earlier)
        with pytest.raises(PlanChanged) as caught:
            self._open_job()
        assert (caught.value.job_id, caught.value.reusable_results) == (compared, len(kept))
        self.job = self._open_job(on_change="reuse")
        assert self.job.job_id not in self.earlier
        self.done = kept

    def _park(self) -> None:
        """The job at hand becomes the newest of the earlier ones."""
        self.earlier[self.job.job_id] = (self.chunks, self.done)

    @rule()
    def begin_afresh(self) -> None:
        self._park()
        self.job = self._open_job(fresh=True)
        self.done = {}

    @rule()
    def export_and_import(self) -> None:
        path = self.job.export(self.folder / "export.json", replace=True)
        state = self.job.state()
        assert ProcessingState.from_json(path.read_bytes()) == state
        with CheckpointStore(self.folder / "fresh.db", state_file=None, durability="process") as fresh:
            imported = fresh.import_state(path)
            assert imported.state() == state
            assert fresh.import_state(path).state() == state
            assert fresh.check() == []
            resumed = fresh.open_job("lecture", chunks=list(self.chunks), model="m", config={"a": [1]})
            assert [chunk.index for chunk in resumed.pending()] == self._left()
        for left in self.folder.glob("fresh.*"):
            left.unlink()

    @precondition(lambda self: self.earlier)
    @rule(data=st.data())
    def delete_an_earlier_job(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.earlier)))
        del self.earlier[job_id]
        self.store.delete_job(job_id)

    # -- what holds after each of them

    def _left(self) -> list[int]:
        return [index for index in range(len(self.chunks)) if index not in self.done]

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "job"):
            return
        job = self.job
        assert exact(list(job.items())) == exact(sorted(self.done.items(), key=lambda pair: pair[0]))
        assert [chunk.index for chunk in job.pending()] == self._left()
        progress, state = job.progress(), job.state()
        assert (progress.completed_chunks, progress.total_chunks) == (len(self.done), len(self.chunks))
        assert exact(list(state.results().items())) == exact(list(job.items()))
        assert state.next_chunk_index == next(iter(self._left()), len(self.chunks))
        assert sorted(index for start, stop in job.completed_ranges() for index in range(start, stop)) == sorted(
            self.done
        )
        for index in self._left()[:1]:
            with pytest.raises(ChunkNotCompleted):
                job.result(index)
        if not self._left():
            assert job.status == "completed"

    @invariant()
    def earlier_jobs_keep_what_they_have(self) -> None:
        for job_id, (_, done) in self.earlier.items():
            assert exact(dict(self.store.job(job_id).items())) == exact(dict(sorted(done.items())))

    @invariant()
    def the_store_is_sound(self) -> None:
        assert self.store.check() == []


COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
}


@pytest.mark.slow
def test_a_store_is_a_dict_that_lasts() -> None:
    """A store behaves as a dict that lasts does, over a few random programs."""
    run_state_machine_as_test(Model, settings=settings(max_examples=25, stateful_step_count=20, **COMMON))


@pytest.mark.storm
@pytest.mark.timeout(3000)
def test_a_store_is_a_dict_that_lasts_long() -> None:
    """A store behaves as a dict that lasts does, over many random programs."""
    run_state_machine_as_test(Model, settings=settings(max_examples=400, stateful_step_count=50, **COMMON))
