"""What the storms of kills share: programs that work by a plan, and may die by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


def run_plans(children: Children, program: Path, plans: list[dict[str, Any]]) -> int:
    """Run a program by each of these plans, all at the same moment; return how many were killed."""
    processes = []
    for plan in plans:
        process = children.start(program, json.dumps(plan))
        assert children.next_line(process) == "ready"
        processes.append(process)
    children.pass_gate(processes)
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode in (0, -9), errors
    return sum(process.returncode == -9 for process in processes)
