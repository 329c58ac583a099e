"""What an installation takes on the disk, for each extra: the table of ``docs/install.md``.

``python -m benchmarks.install_sizes`` builds the wheel, installs it into a new environment for each extra, and prints
megabytes less those of an empty environment. It needs a package index, and takes a few minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print a row for the library alone and for each extra."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _run(sys.executable, "-m", "build", "--wheel", "--outdir", work / "dist", ROOT)
        wheel = next((work / "dist").glob("*.whl"))
        empty = _megabytes(work / "empty", None)[0]
        for name in ("", *extras):
            megabytes, seconds = _megabytes(work / (name or "none"), f"{wheel}[{name}]" if name else str(wheel))
            print(f"{name or 'none':12} {megabytes - empty:6.0f} MB  installed in {seconds:.0f} s", flush=True)


def _megabytes(environment: Path, package: str | None) -> tuple[float, float]:
    """Return what a new environment with this package takes, and how many seconds its installation took."""
    _run(sys.executable, "-m", "venv", environment)
    start = time.monotonic()
    if package is not None:
        _run(environment / "bin" / "pip", "install", package)
    seconds = time.monotonic() - start
    kilobytes = int(_run("du", "-sk", environment).split()[0])
    _run("rm", "-rf", environment)
    return kilobytes * 1024 / 1_000_000, seconds


def _run(*command: str | Path) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
