"""Other libraries that keep results. Each library is imported when it is used, so that none has to be installed."""

from __future__ import annotations

import sqlite3
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from benchmarks import workload
from benchmarks.contenders import Contender, Session

if TYPE_CHECKING:
    from pathlib import Path


class DiskCache(Session):
    """diskcache with SQLite's FULL: ``cache[index] = result``."""

    def __init__(self, folder: Path, *, full: bool = True) -> None:
        options = {"sqlite_synchronous": 2} if full else {}
        self._cache: Any = import_module("diskcache").Cache(str(folder / "diskcache"), **options)

    def step(self, index: int, item: Any) -> None:
        self._cache.set(index, item)

    def fill(self, start: int, stop: int) -> None:
        with self._cache.transact():
            super().fill(start, stop)

    def close(self) -> None:
        self._cache.close()


class LangGraph(Session):
    """LangGraph's SqliteSaver: ``put_writes``, one for each chunk."""

    def __init__(self, folder: Path) -> None:
        saver_module: Any = import_module("langgraph.checkpoint.sqlite")
        self._base: Any = import_module("langgraph.checkpoint.base")
        self._connection = sqlite3.connect(folder / "langgraph.db", check_same_thread=False)
        self._saver: Any = saver_module.SqliteSaver(self._connection)
        self._saver.setup()
        config = {"configurable": {"thread_id": workload.JOB_ID, "checkpoint_ns": ""}}
        self._config: Any = self._saver.put(config, self._base.empty_checkpoint(), self._metadata(0), {})

    @staticmethod
    def _metadata(step: int) -> dict[str, Any]:
        return {"source": "loop", "step": step, "parents": {}}

    def step(self, index: int, item: Any) -> None:
        self._saver.put_writes(self._config, [("result", item)], f"chunk-{index}")

    def close(self) -> None:
        self._connection.close()


class LangGraphState(LangGraph):
    """LangGraph's SqliteSaver: ``put`` of a state that holds all results so far, as a graph's state does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._results: list[Any] = []

    def step(self, index: int, item: Any) -> None:
        self._results.append(item)
        checkpoint = {**self._base.empty_checkpoint(), "channel_values": {"results": self._results}}
        self._config = self._saver.put(self._config, checkpoint, self._metadata(index), {"results": index + 1})

    def fill(self, start: int, stop: int) -> None:
        self._results += [workload.result(index) for index in range(start, stop)]


class Dbos(Session):
    """A step of a DBOS workflow, its system database on SQLite."""

    def __init__(self, folder: Path) -> None:
        self._dbos: Any = import_module("dbos").DBOS
        self._dbos(
            config={
                "name": "benchmark",
                "system_database_url": f"sqlite:///{folder / 'dbos.db'}",
                "run_admin_server": False,
                "log_level": "ERROR",
            }
        )

        @self._dbos.step()  # type: ignore[untyped-decorator, unused-ignore]
        def chunk(item: Any) -> Any:
            return item

        @self._dbos.workflow()  # type: ignore[untyped-decorator, unused-ignore]
        def block(start: int, count: int) -> list[float]:
            times = []
            for index in range(start, start + count):
                item = workload.result(index)
                before = time.perf_counter()
                chunk(item)
                times.append(time.perf_counter() - before)
            return times

        self._block = block
        self._dbos.launch()

    def step(self, index: int, item: Any) -> None:
        raise NotImplementedError

    def run(self, start: int, count: int) -> list[float]:
        times: list[float] = self._block(start, count)
        return times

    def fill(self, start: int, stop: int) -> None:
        if stop > start:
            self.run(start, stop - start)

    def close(self) -> None:
        self._dbos.destroy(destroy_registry=True)


class Joblib(Session):
    """joblib.Memory: a cached function that is called with each chunk."""

    def __init__(self, folder: Path) -> None:
        memory: Any = import_module("joblib").Memory(str(folder / "joblib"), verbose=0)
        self._call: Any = memory.cache(_cached, ignore=["item"])

    def step(self, index: int, item: Any) -> None:
        self._call(index, item)

    def close(self) -> None:
        """Nothing is open."""


def _cached(_: int, item: Any) -> Any:
    return item


PEERS: Final = [
    Contender("langgraph SqliteSaver.put_writes", LangGraph, package="langgraph-checkpoint-sqlite", fill_limit=10_000),
    Contender(
        "langgraph put, state holds all results",
        LangGraphState,
        package="langgraph-checkpoint-sqlite",
        fill_limit=20_000,
        block=0.04,
    ),
    Contender("diskcache, synchronous=FULL", DiskCache, package="diskcache", fill_limit=100_000),
    Contender("DBOS step", Dbos, package="dbos", fill_limit=2_000, block=0.2),
    Contender("joblib.Memory", Joblib, "process kill", package="joblib", fill_limit=2_000, block=0.4),
    Contender("diskcache, default", lambda folder: DiskCache(folder, full=False), "process kill", package="diskcache"),
]
_MODULES: Final = {"langgraph-checkpoint-sqlite": "langgraph.checkpoint.sqlite"}


def why_missing(contender: Contender) -> str | None:
    """Return why a contender cannot run, or None where it can."""
    if contender.package is None:
        return None
    try:
        found = find_spec(_MODULES.get(contender.package, contender.package))
    except ModuleNotFoundError:
        found = None
    return None if found else f"{contender.package} is not installed"


def versions() -> dict[str, str]:
    """Return the version of each package that is measured and installed."""
    names = {"checkpoint-store", "sqlalchemy", "async-batch-llm", *(one.package for one in PEERS if one.package)}
    known = {}
    for name in sorted(names):
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "not installed"
    return known
