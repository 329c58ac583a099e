"""``python -m benchmarks.processors``: the two processors of the examples, side by side, for docs/two-processors.md.

Lines of code, what kills lose, what an edit costs, and the bytes that 2,000 chunks write. Everything is measured: each
run is a process of its own, and each kill is SIGKILL in the middle of a call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from checkpoint_store import CheckpointStore

EXAMPLES: Final = Path(__file__).parent.parent / "examples"
NAMES: Final = ("processor_with_state", "processor_native")
_CHILD: Final = Path(__file__).with_name("processor_child.py")


class Run(NamedTuple):
    """One run of a processor."""

    calls: int
    written_bytes: int
    """The bytes that it wrote, without its output and the notes of this measurement; 0 if it was killed."""


def run(name: str, folder: Path, *, die_in: int = 0, call_seconds: float = 0.0) -> Run:
    """Run a processor on ``talk.txt`` in a folder; ``die_in``: the call, from 1, in which it is killed (0: none)."""
    command = [sys.executable, str(_CHILD), str(EXAMPLES), name, "talk.txt", str(die_in), str(call_seconds)]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    expected = -signal.SIGKILL if die_in else 0
    if done.returncode != expected:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr}")
    calls, found = done.stderr.count("call\n"), re.search(r"written (\d+)", done.stderr)
    noted = len(done.stdout.encode()) + len("call\n") * calls
    return Run(calls, int(found[1]) - noted if found else 0)


def lines_of(name: str) -> int:
    """Return how many lines of code a processor has: empty lines, comments and docstrings left out."""
    text = re.sub(r'""".*?"""', "", (EXAMPLES / f"{name}.py").read_text("utf-8"), flags=re.DOTALL)
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())


def paragraphs(count: int, size_bytes: int) -> list[str]:
    """Return texts of about this size, all different."""
    dice = random.Random(1)
    return [f"{number} " + "".join(dice.choices("abcdefgh  ", k=size_bytes)).strip() for number in range(count)]


def _write(folder: Path, texts: list[str]) -> None:
    (folder / "talk.txt").write_text("\n\n".join(texts), "utf-8")


def _output(folder: Path) -> list[str]:
    return (folder / "talk.cleaned.txt").read_text("utf-8").split("\n\n")


def measure(name: str, *, kills: int, chunks: int, written_chunks: int) -> dict[str, Any]:
    """Measure one processor."""
    found: dict[str, Any] = {"lines": lines_of(name)}
    texts = paragraphs(chunks, 200)
    dice = random.Random(2)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _write(folder, texts)
        calls = sum(run(name, folder, die_in=dice.randint(2, 5)).calls for _ in range(kills))
        with CheckpointStore(folder / ".processing_state.db", read_only=True) as store:
            job = store.latest_job()
            found["in_doubt_named"] = 0 if job is None else len(job.in_doubt_chunks())
        calls += run(name, folder).calls
        found["calls_again"] = calls - chunks
        found["results_lost"] = chunks - len(set(_output(folder)))
        edited = [*texts[:3], "an edited paragraph", *texts[4:]]
        _write(folder, edited)
        found["calls_after_edit"] = run(name, folder).calls
        found["edit_in_output"] = _output(folder)[3] == "An edited paragraph"
        _write(folder, [*edited, "a new paragraph"])
        found["calls_after_append"] = run(name, folder).calls
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _write(folder, paragraphs(written_chunks, 4_000))
        found["written_bytes"] = run(name, folder, call_seconds=1.5).written_bytes
        found["results_bytes"] = written_chunks * 4_000
    return found


def main() -> None:
    """Measure both, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--written-chunks", type=int, default=2_000)
    options = parser.parse_args()
    figures = {
        name: measure(name, kills=options.kills, chunks=options.chunks, written_chunks=options.written_chunks)
        for name in NAMES
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
