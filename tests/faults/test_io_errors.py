"""Each call that changes a file fails once, one after the other, during each operation of the library."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from faults.conftest import Figures, child_environment
from faults.sweep import OPERATIONS

if TYPE_CHECKING:
    from pathlib import Path

BAD = ("lost", "wrong", "corrupt", "foreign", "misnamed", "leaked", "left")


def _sweep(shim: Path, folder: Path, operation: str, step: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "faults.sweep", folder, json.dumps({"operation": operation, "step": step})],
        env=child_environment(LD_PRELOAD=str(shim)), capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _prove(found: dict[str, Any]) -> dict[str, object]:
    count = found["count"]
    failed = sum(number for name, number in found["errors"].items() if name != "none")
    assert {name: count[name] for name in BAD if count.get(name)} == {}, "\n".join(found["said"][:5])
    assert count["points"] > 0
    assert count.get("converged", 0) == failed
    names = ("lost", "wrong", "corrupt")
    return {"points": count["points"]} | {n: count.get(n, 0) for n in names} | {"failed": failed, "converged": failed}


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failing_call_loses_nothing(shim: Path, fast_folder: Path, operation: str, figures: Figures) -> None:
    """Each of some calls fails (no space, I/O error, half a write): what was recorded is safe, a new try converges."""
    figures(f"io-errors, {operation}, some calls", **_prove(_sweep(shim, fast_folder, operation, step=47)))


@pytest.mark.slow
def test_a_state_file_written_in_place_loses_all(shim: Path, fast_folder: Path, figures: Figures) -> None:
    """The control: the same failing calls destroy a file that is written anew in place."""
    count = _sweep(shim, fast_folder, "control", step=1)["count"]
    figures("io-errors, control", **count)
    assert count["lost"] > 0


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_failing_call_at_all_loses_anything(shim: Path, fast_folder: Path, operation: str, figures: Figures) -> None:
    """Whichever single call fails, nothing that was acknowledged is lost."""
    figures(f"io-errors, {operation}, each call", **_prove(_sweep(shim, fast_folder, operation, step=1)))
