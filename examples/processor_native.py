"""The same processor with the loop left to the library: python processor_native.py talk.txt."""

from __future__ import annotations

import sys
from pathlib import Path

from processor_service import CONFIG, MODEL, clean, paragraphs_of, write_output

from checkpoint_store import CheckpointStore, LoopEvent


def show(event: LoopEvent) -> None:
    """Say which chunk is done."""
    if event.kind == "completed":
        print(f"chunk {event.index} done")


def process(path: Path) -> None:
    """Clean every paragraph that is left, and write the output."""
    with CheckpointStore() as store:
        results = store.map(
            clean,
            paragraphs_of(path),
            file_name=path.name,
            model=MODEL,
            config=CONFIG,
            on_change="reuse",
            on_event=show,
        )
    write_output(path, results)


if __name__ == "__main__":
    process(Path(sys.argv[1]))
