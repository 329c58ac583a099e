"""What every kind of test uses: opened stores that are closed again, and real child processes."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from fork_server import Forked, ForkServer

import checkpoint_store
from checkpoint_store import CheckpointStore, StateManager

pytest_plugins = ("ready_made",)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from report.browser import Browser

ROOT = Path(checkpoint_store.__file__).parent.parent
TESTS = Path(__file__).parent
GATE = TESTS / "gate.py"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job that a shell started with `&` or nohup ignores Ctrl-C, and so would every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # nohup: the tests go on at a hangup, and a program that they start does not inherit a function as it inherits SIG_IGN
    signal.signal(signal.SIGHUP, lambda *_: None)

# Each program that a test starts would compile the whole package again, and each run of pytest all the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SECRET = "sk-proj-T9x4Qm2Zr7Kb1Vw8Np5LcY3HjD6"
"""A canary: what no file and no message may ever hold."""


_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30


def _choose_folder() -> None:
    """Keep the folders of tests in memory where there is room, unless the environment says where.

    Thousands of stores are opened and synced; none of them has to last, and what a disk may lose is told by a shim that
    logs each write. ``PYTEST_DEBUG_TEMPROOT=/tmp pytest`` uses the disk, as ``.ci/run`` does.
    """
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


_choose_folder()


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Before a module with generated inputs is imported: how many are tried, and that no test fails by a slow machine."""
    if b"hypothesis" in module_path.read_bytes():
        from hypothesis import HealthCheck, settings  # half a second, and few modules need it

        no_limits = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
        settings.register_profile(
            "busy machine", max_examples=int(os.environ.get("GENERATED_INPUTS", "20")), **no_limits
        )
        settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Run two workers on each processor: half of their time tests wait for a child, a time or a lock."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else 2 * len(os.sched_getaffinity(0))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect thousands of tests without a look at their objects time and again; they stay to the end anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# Or the interpreter goes through all tests three times when it ends, which takes a worker three seconds of the processor.
atexit.register(gc.freeze)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but the first variant of each test that is marked ``slow_variants``."""
    for item in items:
        if "slow_variants" in item.keywords and any(item.callspec.indices.values()):  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary() -> None:
    """Let the garbage collector see everything again, in the process that prints the results.

    Hypothesis is imported there at the very end, looks for the referrers of objects, and warns of each that has none.
    """
    gc.unfreeze()


def full_pipe() -> tuple[int, int]:
    """Return the ends of a pipe, to read and to write, that is full: the next write waits for a reader."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return reader, writer


class Opener(Protocol):
    """Opens a store, which is closed when the test ends."""

    def __call__(self, target: str | os.PathLike[str] = ..., **options: Any) -> CheckpointStore: ...


class ManagerOpener(Protocol):
    """Makes a manager, which is closed when the test ends."""

    def __call__(self, state_path: str | os.PathLike[str] = ..., **options: Any) -> StateManager: ...


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Opener]:
    """Open a store (``talks.db`` in the test's folder) as often as wanted; each is closed at the end."""
    with ExitStack() as stack:

        def opener(target: str | os.PathLike[str] = "talks.db", **options: Any) -> CheckpointStore:
            return stack.enter_context(CheckpointStore(tmp_path / target, **options))

        yield opener


@pytest.fixture
def store(open_store: Opener) -> CheckpointStore:
    """An open, empty store, ``talks.db``."""
    return open_store()


@pytest.fixture
def make_manager(tmp_path: Path) -> Iterator[ManagerOpener]:
    """Make managers of ``state.json`` in the test's folder; each is closed at the end.

    Each stands for a program of its own: it does not know what the others of this process have recorded.
    """
    with ExitStack() as stack:

        def opener(state_path: str | os.PathLike[str] = "state.json", **options: Any) -> StateManager:
            made = stack.enter_context(StateManager(tmp_path / state_path, **options))
            made._calls.looked = made._calls.looked._replace(recorded=type(made._calls.looked.recorded)())
            return made

        yield opener


@pytest.fixture
def manager(make_manager: ManagerOpener) -> StateManager:
    """A manager of ``state.json``, with nothing there yet."""
    return make_manager()


def wait_until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for what is about to happen, however slow the machine is; fail where it does not."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Children:
    """Python programs in processes of their own, in the test's folder. Warnings are errors there too."""

    def __init__(
        self, folder: Path, server: Callable[[], ForkServer] | None = None, *, empty: Path | None = None
    ) -> None:
        """``empty`` is an empty store, of which each new store of a fork is a copy."""
        self._folder = folder
        self._server = server
        self._empty = empty
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, source: str | Path, *arguments: object, fresh: bool = False, user: int = 0
    ) -> subprocess.Popen[str]:
        """Start a program, a file or a few lines, and return at once; its stdin, stdout and stderr are pipes.

        It is a fork of a process that has imported the package, or an interpreter of its own if it is to be ``fresh``.
        A fork can be another ``user``, who needs no right to read the package then; only root can become one.
        """
        words = [*(["-c"] if isinstance(source, str) else []), str(source), *map(str, arguments)]
        env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}", "PYTHONIOENCODING": "utf-8"}
        pipe = subprocess.PIPE
        process = (
            subprocess.Popen(
                [sys.executable, "-W", "error", *words],
                cwd=self._folder,
                env=env,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                text=True,
                start_new_session=True,
            )
            if fresh or self._server is None
            else Forked(self._server(), words, cwd=self._folder, env=env, user=user, empty=self._empty)
        )
        self._started.append(process)
        return process

    def finish(
        self, process: subprocess.Popen[str], send: str | None = None, code: int = 0, timeout_seconds: float = 120
    ) -> str:
        """Send it something, wait for its end, expect this exit code, and return what it printed."""
        output, errors = process.communicate(send, timeout=timeout_seconds)
        assert process.returncode == code, errors
        return output

    def run(self, source: str | Path, *arguments: object, code: int = 0, fresh: bool = False, user: int = 0) -> str:
        """Run a program to its end and return what it printed. See :meth:`start`."""
        return self.finish(self.start(source, *arguments, fresh=fresh, user=user), code=code)

    def together(self, count: int, source: Path, *arguments: object) -> list[str]:
        """Run a program ``count`` times at once and return what each printed. See :meth:`at_the_gate`."""
        processes = self.at_the_gate(count, source, *arguments)
        self.pass_gate(processes)
        return [self.finish(process) for process in processes]

    def at_the_gate(self, count: int, source: Path, *arguments: object) -> list[subprocess.Popen[str]]:
        """Start a program ``count`` times; each has imported what it needs, and waits for :meth:`pass_gate`.

        So all of them begin at the same moment. A program's number, from 0, comes after the arguments.
        """
        processes = [self.start(GATE, source, *arguments, number) for number in range(count)]
        for process in processes:
            assert self.next_line(process) == "ready"
        return processes

    def pass_gate(self, processes: list[subprocess.Popen[str]]) -> None:
        """Let each program go on that waits for a line."""
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def next_line(self, process: subprocess.Popen[str]) -> str:
        """Return the next line that a program prints; one that ended instead fails the test with its errors."""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, self.finish(process)
        return line.rstrip("\n")

    def end_all(self) -> None:
        """Kill what is still running, with the processes that it forked."""
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def program(test_file: str, name: str) -> Path:
    """Return a program that a test runs in a process of its own: a file in the folder ``children`` beside the test."""
    return Path(test_file).parent / "children" / f"{name}.py"


@pytest.fixture(scope="session")
def fork_server() -> Iterator[Callable[[], ForkServer]]:
    """Return the process that forks the programs of tests, which is started when the first test wants one."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(closing(ForkServer([ROOT, TESTS]))))


@pytest.fixture
def children(tmp_path: Path, fork_server: Callable[[], ForkServer], store_to_copy: Path | None) -> Iterator[Children]:
    """Start Python programs in processes of their own."""
    made = Children(tmp_path, fork_server, empty=store_to_copy)
    yield made
    made.end_all()


def snapshot(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return everything there is to see of each file in a folder. Call it while no store is open in this process."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def files_with(folder: Path, *needles: str) -> list[str]:
    """Return the names of the files under a folder that hold any of these texts, found by another process.

    Another process, because to close a live store file would drop SQLite's locks of this one.
    """
    options = [word for needle in needles for word in ("-e", needle)]
    found = subprocess.run(
        ["grep", "-rlaF", *options, "."], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode in (0, 1), found.stderr
    return sorted(line.removeprefix("./") for line in found.stdout.splitlines())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of a module."""
    from report.browser import Browser

    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()
