"""The operations of the library that are swept with faults: each can be tried again after an error."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from checkpoint_store import CheckpointStore
from checkpoint_store.maintenance import recover_store
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage.upgrade import migrate
from faults.workload import COPY, INPUT, STORE, result_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from checkpoint_store import Job

TOTAL, DONE = 7, 3


class Operation:
    """One operation on a store in which some chunks are complete; it can be tried again."""

    opened = True
    """Whether the store is open before the fault is armed."""
    next_open_records = False
    """Whether the chunks stand in a file beside the store, from which the next open records them after a fault."""
    plan: ClassVar[dict[str, Any]] = {"total_chunks": TOTAL}
    """How the job is opened."""
    verbs: ClassVar[tuple[str, ...]] = ()
    """The writing verbs of the storage that the attempt runs, each as ``Class.method``."""
    copies: ClassVar[tuple[str, ...]] = ()
    """The names of copies of the store that the attempt makes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE
        self.acknowledged = dict.fromkeys(range(DONE), True)
        self.store: CheckpointStore | None = None
        self.job: Job | None = None
        if self.opened:
            self.open()

    @classmethod
    def template(cls, folder: Path) -> None:
        """Make the files that each trial starts from."""
        with CheckpointStore(folder / STORE) as store:
            job = store.open_job(INPUT, **cls.plan)
            job.complete_many((index, result_of(index)) for index in range(DONE))

    def open(self) -> None:
        if self.store is None:
            self.store = CheckpointStore(self.path)
        if self.job is None:
            self.job = self.store.open_job(INPUT, **self.plan)

    def complete(self) -> None:
        assert self.job is not None
        for index in range(TOTAL):
            self.job.complete(index, result_of(index))
            self.acknowledged[index] = True

    def attempt(self) -> None:
        """Do it; what is tried again is the same call on the same object."""
        raise NotImplementedError

    def finish(self) -> None:
        """Complete what is left, and close."""
        self.open()
        self.complete()
        assert self.store is not None
        self.store.close()


class Complete(Operation):
    verbs = ("Storage.complete",)

    def attempt(self) -> None:
        self.complete()


class Claim(Operation):
    """Chunks are claimed, fail, are given back and are completed; the job is paused and taken up again."""

    verbs = (
        *("ClaimStorage.claim", "ClaimStorage.fail", "ClaimStorage.release", "JobChanges.retry_failed"),
        *("JobChanges.set_status", "RunnerStorage.register", "RunnerStorage.end"),
    )

    def attempt(self) -> None:
        job = self.job
        assert job is not None
        for chunk in job.pending():
            if chunk.index == TOTAL - 1:
                break  # given back
            if chunk.index == DONE:
                chunk.fail("not this time")
            else:
                chunk.complete(result_of(chunk.index))
                self.acknowledged[chunk.index] = True
        job.pause()
        for _ in range(3):  # failed for good
            job.fail_chunk(TOTAL - 1, "never")
        job.retry_failed()
        job.resume()


class Redo(Operation):
    """Complete chunks are asked for again, and done again; their results stay all the time."""

    verbs = ("RedoStorage.redo",)
    is_asked = False

    def attempt(self) -> None:
        assert self.job is not None
        if not self.is_asked:
            self.job.redo(range(DONE))
            self.is_asked = True
        for chunk in self.job.pending():
            chunk.complete(result_of(chunk.index))
            self.acknowledged[chunk.index] = True


class Loop(Operation):
    """The whole loop, in two threads, with a try that fails, and what follows it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tried: Counter[int] = Counter()

    def attempt(self) -> None:
        job = self.job
        assert job is not None
        job.retry_failed()  # what tried and could not be recorded counts, too
        for item in job.map(self.work, workers=2, wait=0):
            self.acknowledged[item.index] = True

    def work(self, index: int) -> object:
        self.tried[index] += 1
        if index == TOTAL - 2 and self.tried[index] == 1:
            raise TimeoutError("not this time")
        return result_of(index)


class FirstOpen(Operation):
    verbs = ("Storage.open_job",)
    opened = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acknowledged.clear()

    @staticmethod
    def template(folder: Path) -> None:
        pass

    def attempt(self) -> None:
        self.open()


class OpenAfterKill(Operation):
    verbs = ("RunnerStorage.reap_dead",)
    opened = False

    @staticmethod
    def template(folder: Path) -> None:
        program = Path(__file__).parent / "children" / "killed_with_a_log.py"
        subprocess.run([sys.executable, program, folder], check=True, timeout=60)
        assert (folder / f"{STORE}-wal").stat().st_size

    def attempt(self) -> None:
        self.open()


class OpenAfterPowerCut(OpenAfterKill):
    @staticmethod
    def template(folder: Path) -> None:
        OpenAfterKill.template(folder)
        (folder / f"{STORE}-shm").unlink()  # was only ever in memory


class Migrate(Operation):
    """A migration that rebuilds a table, as later ones may."""

    def attempt(self) -> None:
        assert self.store is not None
        migrate.run(self.store._context.storage.database, SCHEMA_VERSION, _rebuild)


def _rebuild(connection: Connection) -> None:
    (made,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'chunk_results'").one()
    connection.exec_driver_sql(made.replace("chunk_results", "rebuilt", 1))
    connection.exec_driver_sql("INSERT INTO rebuilt SELECT * FROM chunk_results")
    connection.exec_driver_sql("DROP TABLE chunk_results")
    connection.exec_driver_sql("ALTER TABLE rebuilt RENAME TO chunk_results")


class Export(Operation):
    def attempt(self) -> None:
        assert self.job is not None
        self.job.export()
        self.job.export(self.path.with_name("elsewhere.json"))


class Backup(Operation):
    copies = (COPY,)

    def attempt(self) -> None:
        assert self.store is not None
        self.store.backup(self.path.with_name(COPY))


class Close(Operation):
    def attempt(self) -> None:
        assert self.store is not None
        if not self.store._context.storage.database.closed:
            self.complete()
        self.store.close()

    def finish(self) -> None:
        assert self.store is not None
        self.store.close()
        self.store = self.job = None
        super().finish()


class Recover(Operation):
    opened = False

    @staticmethod
    def template(folder: Path) -> None:
        Operation.template(folder)
        with (folder / STORE).open("r+b") as file:
            file.seek(100)  # the list of tables; no one has it open
            file.write(bytes(200))

    def attempt(self) -> None:
        recover_store(self.path)
