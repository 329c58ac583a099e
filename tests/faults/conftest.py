"""The shim between a process and its disk, compiled once per test process, and the figures that a run prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_FIGURES = "FIGURES"


class Figures(Protocol):
    """Prints one line at the end of the whole run."""

    def __call__(self, name: str, **values: object) -> None: ...


@pytest.fixture
def figures(record_property: Any) -> Figures:
    """Say what was counted, in one line at the end of the run, also where tests run in other processes."""

    def say(name: str, **values: object) -> None:
        record_property(_FIGURES, f"{name}: {' '.join(f'{key}={value}' for key, value in values.items())}")

    return say


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = {
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == _FIGURES and getattr(report, "when", "") == "call"
    }
    for line in sorted(lines):
        terminalreporter.write_line(f"{_FIGURES} {line}")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim, to be preloaded."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("faults are injected by a preloaded C library: run on Linux with a C compiler (apt install gcc)")
    made = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", made, HERE / "shim.c", "-ldl", "-lpthread"], check=True, timeout=60
    )
    return made


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: thousands of stores are opened there, and none has to last."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="faults-") as folder:
        yield Path(folder)


def child_environment(**more: str) -> dict[str, str]:
    """What a child needs to import the library and these helpers."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE.parent)))} | more
