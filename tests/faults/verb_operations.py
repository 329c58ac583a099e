"""The operations that are swept with faults for the verbs of the storage that everyday work seldom needs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted, JobNotFound, StateManager
from checkpoint_store.execution.late import failure_of
from checkpoint_store.storage.files import unrecorded
from faults.operations import DONE, TOTAL, Operation
from faults.workload import INPUT, STORE, result_of

if TYPE_CHECKING:
    from pathlib import Path

ANOTHER, ELSEWHERE, SAVED = "another.srt", "elsewhere.db", "elsewhere.json"
TEXTS = ["a", "b", "c", "twice", "twice", "d", "e"]
BUDGET = 1000.0


class Report(Operation):
    """The work on a chunk reports by hand that a call failed, and what it cost, and then gives the result."""

    verbs = ("BudgetStorage.report", "BudgetStorage.keep_reported")

    def attempt(self) -> None:
        assert self.job is not None
        self.job.retry_failed()
        for item in self.job.map(self.work, wait=0):
            self.acknowledged[item.index] = True

    def work(self, index: int) -> object:
        assert self.job is not None
        if index < TOTAL - 1:
            self.job.fail_chunk(index, TimeoutError("not this time"), cost=0.25)
        return result_of(index)


class Budget(Operation):
    """The whole loop, in two threads, with a budget that all of it fits into."""

    verbs = ("BudgetStorage.reserve",)

    def attempt(self) -> None:
        assert self.job is not None
        self.job.retry_failed()
        for item in self.job.map(result_of, workers=2, wait=0, max_cost=BUDGET):
            self.acknowledged[item.index] = True


class PaidInVain(Operation):
    """An answer comes when its chunk is complete by hand, and a failure comes late: both are kept with their attempts."""

    verbs = ("BudgetStorage.keep_result", "BudgetStorage.keep_failure")

    def attempt(self) -> None:
        assert self.job is not None
        assert self.store is not None
        for chunk in self.job.pending():
            self.job.complete(chunk.index, result_of(chunk.index))
            self.acknowledged[chunk.index] = True
            with suppress(ChunkAlreadyCompleted):
                chunk.complete("another answer")
        failure = failure_of(self.job.job_id, DONE, "came late", attempt=(1, None), cost=0.25)
        self.store._context.storage.budgets.keep_failure(failure)


class Handles(Operation):
    """A service is asked for chunks under one handle, two of which have the same text: it was paid for one of these."""

    plan: ClassVar[dict[str, Any]] = {"chunks": TEXTS}
    verbs = ("HandleStorage.record", "HandleStorage.note_payer")

    def attempt(self) -> None:
        assert self.job is not None
        self.job.record_handle(range(DONE, TOTAL), "batch-1")
        for chunk in self.job.pending():
            chunk.complete(result_of(chunk.index))
            self.acknowledged[chunk.index] = True


class Describe(Operation):
    """The metadata of a job are replaced, and time in which the machine slept is left out."""

    verbs = ("JobChanges.set_metadata", "JobChanges.leave_out")

    def attempt(self) -> None:
        assert self.job is not None
        assert self.store is not None
        self.job.set_metadata({"owner": "Ana"})
        self.store._context.storage.job_changes.leave_out(self.job.job_id, 0.5)


class LateForAnotherPlan(Operation):
    """A chunk of a replaced job ends after the edited plan was opened: the loop of the edited plan takes its result."""

    plan: ClassVar[dict[str, Any]] = {"chunks": [*"abcdefG"], "on_change": "reuse"}
    verbs = ("JobChanges.look_again",)

    @staticmethod
    def template(folder: Path) -> None:
        with CheckpointStore(folder / STORE) as store:
            job = store.open_job(INPUT, chunks=[*"abcdefg"])
            job.complete_many((index, result_of(index)) for index in range(DONE))

    def __init__(self, folder: Path) -> None:
        with CheckpointStore(folder / STORE) as earlier:
            replaced = earlier.open_job(INPUT, chunks=[*"abcdefg"])
            super().__init__(folder)
            replaced.complete(DONE, result_of(DONE))

    def attempt(self) -> None:
        assert self.job is not None
        for chunk in self.job.pending():
            chunk.complete(result_of(chunk.index))
            self.acknowledged[chunk.index] = True
        self.acknowledged[DONE] = True


class Delete(Operation):
    """Another job is deleted, with the bytes of its results."""

    verbs = ("JobChanges.delete", "JobChanges.erase_deleted")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        assert self.store is not None
        self.another = self.store.job(ANOTHER).job_id

    @staticmethod
    def template(folder: Path) -> None:
        with CheckpointStore(folder / STORE) as store:
            store.open_job(ANOTHER, total_chunks=1).complete(0, result_of(0))
        Operation.template(folder)

    def attempt(self) -> None:
        assert self.store is not None
        with suppress(JobNotFound):  # an earlier attempt deleted it
            self.store.delete_job(self.another)


class Prune(Operation):
    """Superseded jobs of another file are deleted."""

    verbs = ("JobChanges.prune",)

    @staticmethod
    def template(folder: Path) -> None:
        with CheckpointStore(folder / STORE) as store:
            for model in ("one", "two", "three"):
                job = store.open_job(ANOTHER, total_chunks=1, model=model, on_change="restart")
                job.complete(0, result_of(0))
        Operation.template(folder)

    def attempt(self) -> None:
        assert self.store is not None
        self.store.prune(keep_last=2, dry_run=False)


class Merge(Operation):
    """Another store has further chunks of the plan."""

    verbs = ("Storage.merge",)

    @staticmethod
    def template(folder: Path) -> None:
        Operation.template(folder)
        with CheckpointStore(folder / ELSEWHERE, state_file=None) as store:
            job = store.open_job(INPUT, total_chunks=TOTAL)
            job.complete_many((index, result_of(index)) for index in range(1, TOTAL - 1))

    def attempt(self) -> None:
        assert self.store is not None
        self.store.merge(self.path.with_name(ELSEWHERE))
        self.acknowledged |= dict.fromkeys(range(TOTAL - 1), True)


class Import(Operation):
    """A state file has a job with further chunks."""

    verbs = ("StateVerbs.take_in",)

    @staticmethod
    def template(folder: Path) -> None:
        Operation.template(folder)
        with CheckpointStore(folder / ELSEWHERE, state_file=None) as store:
            job = store.open_job(INPUT, total_chunks=TOTAL)
            job.complete_many((index, result_of(index)) for index in range(TOTAL - 1))
            job.export(folder / SAVED)

    def attempt(self) -> None:
        assert self.store is not None
        self.job = self.store.import_state(self.path.with_name(SAVED))
        self.acknowledged |= dict.fromkeys(range(TOTAL - 1), True)


class Save(Operation):
    """A ``StateManager`` saves its state, and then each chunk."""

    verbs = ("StateVerbs.save", "StateVerbs.complete_and_run")
    opened = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manager = StateManager(self.path.with_suffix(".json"))

    def attempt(self) -> None:
        state = self.manager.load()
        assert state is not None
        self.manager.save(state.replace(video_title="A talk"))
        if state.remaining_chunks:
            self.manager.set_status("failed", "for now")  # the next chunk makes the job running
        for index in range(DONE, TOTAL):
            self.manager.update_chunk_complete(index, result_of(index))
            self.acknowledged[index] = True

    def finish(self) -> None:
        self.manager.close()
        super().finish()


class Release(Operation):
    """A runner that stands still has a chunk: it is released, and the job is taken for this runner alone."""

    verbs = ("RunnerStorage.release", "RunnerStorage.make_exclusive")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.standing = CheckpointStore(self.path)
        assert self.job is not None
        self.loops = [self.standing.job(INPUT).pending(), self.job.pending()]
        self.in_hand = [next(loop) for loop in self.loops]
        self.stands = min(runner.runner for runner in self.job.runners())

    def attempt(self) -> None:
        assert self.store is not None
        assert self.job is not None
        if self.stands in {runner.runner for runner in self.job.runners()}:
            self.job.release_runner(self.stands)
        self.store.open_job(INPUT, total_chunks=TOTAL, exclusive=True)

    def finish(self) -> None:
        self.in_hand.clear()
        for loop in self.loops:
            loop.close()
        self.standing.close()
        super().finish()


class TakeIn(Operation):
    """Results that were paid for stand in a file beside the store: the next open records them."""

    opened = False
    next_open_records = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acknowledged |= dict.fromkeys(range(DONE, TOTAL - 1), True)

    @staticmethod
    def template(folder: Path) -> None:
        Operation.template(folder)
        with CheckpointStore(folder / STORE) as store:
            execution = store.job(INPUT)._execution
            results = [execution.completion(index, result_of(index)) for index in range(DONE, TOTAL - 1)]
            name = unrecorded.new_name(store.path)
        unrecorded.write(folder / name, [unrecorded.UnrecordedResult(result, None) for result in results])

    def attempt(self) -> None:
        self.open()
