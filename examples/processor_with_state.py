"""A processor that keeps its state in a StateManager, chunk by chunk: python processor_with_state.py talk.txt."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from processor_service import CONFIG, MODEL, BusyError, clean, paragraphs_of, write_output

from checkpoint_store import ProcessingState, StateManager

TRIES = 3


def clean_with_retries(text: str) -> dict[str, Any]:
    """Clean a paragraph; where the service is busy, wait and try again."""
    for number in range(TRIES - 1):
        try:
            return clean(text)
        except BusyError:
            time.sleep(2.0**number)
    return clean(text)


def state_for(manager: StateManager, path: Path, total_chunks: int) -> ProcessingState:
    """Return the state to go on with: the saved state if it is of this input, otherwise a new state."""
    wanted = ProcessingState(file_name=path.name, model=MODEL, total_chunks=total_chunks, config=CONFIG)
    state = manager.load()
    if state is None:
        return wanted
    is_same = all(
        getattr(state, name) == getattr(wanted, name) for name in ("file_name", "model", "total_chunks", "config")
    )
    return state if is_same else wanted


def process(path: Path) -> None:
    """Clean every paragraph that is left, and write the output."""
    paragraphs = paragraphs_of(path)
    with StateManager() as manager:
        state = state_for(manager, path, len(paragraphs))
        manager.save(state.replace(status="running"))
        try:
            for index in sorted(set(range(len(paragraphs))) - set(state.completed_chunks) | set(state.redo_chunks)):
                manager.update_chunk_complete(index, clean_with_retries(paragraphs[index]))
                print(f"chunk {index} done")
        except KeyboardInterrupt:
            manager.set_status("paused")
            raise
        except Exception as error:
            manager.set_status("failed", str(error))
            raise
        manager.set_status("completed")
        done = manager.load()
        assert done is not None
        results = done.results()
    write_output(path, [results[index] for index in range(len(paragraphs))])


if __name__ == "__main__":
    process(Path(sys.argv[1]))
